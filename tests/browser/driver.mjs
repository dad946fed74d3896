// Drives a browser by playwright-core for the tests in Python (tests/hosted/chromium.py):
//   node driver.mjs PROGRAM OPTIONS       PROGRAM is the browser, OPTIONS (JSON) are those of launch()
// Each line of standard input is a JSON request, and one line of JSON on standard output answers it.
//   {"open": OPTIONS, "timeout": MS}      a new context with one page; the one before is closed
//   {"page": [["mouse"], ["move", 1, 2]]} page.mouse.move(1, 2): names, and calls of methods with arguments
// An answer is {"result": …} or {"error": "…"}, and has what the pages did since the one before: "requests", the
// addresses that were asked for, and "complaints", errors and warnings of the console and exceptions.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const told = { requests: [], complaints: [] };
const [program, options] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: program, ...JSON.parse(options) });
let page = null;

async function open(settings, timeout) {
  await page?.context().close();
  const context = await browser.newContext(settings);
  context.setDefaultTimeout(timeout);
  context.on("request", request => told.requests.push(request.url()));
  context.on("weberror", fault => told.complaints.push(String(fault.error())));
  context.on("console", message => {
    if (["error", "warning"].includes(message.type())) told.complaints.push(message.text());
  });
  page = await context.newPage();
}

async function follow(chain) {
  let found = page;
  for (const [name, ...given] of chain) {
    const member = found[name];
    found = typeof member === "function" ? await member.apply(found, given) : member;
  }
  return found;
}

// Objects of playwright's stay here.
function plain(value) {
  if (Buffer.isBuffer(value)) return value.toString("base64");
  const simple = value === null || typeof value !== "object" || Array.isArray(value);
  return simple || Object.getPrototypeOf(value) === Object.prototype ? value : null;
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line), answer = {};
  try {
    if (request.open) await open(request.open, request.timeout);
    else answer.result = plain(await follow(request.page));
  } catch (fault) {
    answer.error = String(fault);
  }
  process.stdout.write(JSON.stringify({ ...answer, ...told }) + "\n");
  told.requests = [];
  told.complaints = [];
}
await browser.close();
