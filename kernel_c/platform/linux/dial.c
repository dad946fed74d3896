/* Connections to servers over the host's sockets: see kgpt/dial.h. Names are left to the resolvers of other programs:
 * a static program has none. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kgpt/dial.h"
#include "linux.h"

static struct {
    int tcp, udp; /* -1: none */
    bool connecting, ended;
    const char *problem; /* of the connection */
} dialled = {.tcp = -1, .udp = -1};

static uint64_t dial_now(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void resolve_nothing(void *context, const char *name)
{
    (void)context;
    (void)name;
}

static enum kg_dial_state resolved_nothing(void *context, uint32_t *address, const char **problem)
{
    (void)context;
    *address = 0;
    *problem = "a process looks up no names: give an address";
    return KG_DIAL_FAILED;
}

static struct sockaddr_in address_of(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static void lose_dialled(int problem)
{
    dialled.problem = strerror(problem);
}

static void dial_connect(void *context, uint32_t address, uint16_t port)
{
    struct sockaddr_in to = address_of(address, port);
    (void)context;
    dialled.tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    dialled.problem = NULL;
    dialled.ended = false;
    dialled.connecting = true;
    if (dialled.tcp < 0 || (connect(dialled.tcp, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
        lose_dialled(errno);
    }
}

static enum kg_dial_state dial_state(void *context, const char **problem)
{
    (void)context;
    if (dialled.connecting && !dialled.problem) {
        struct pollfd one = {.fd = dialled.tcp, .events = POLLOUT};
        int wrong = 0;
        socklen_t size = sizeof wrong;
        if (poll(&one, 1, 0) <= 0) {
            return KG_DIAL_RUNS;
        }
        getsockopt(dialled.tcp, SOL_SOCKET, SO_ERROR, &wrong, &size);
        dialled.connecting = false;
        if (wrong) {
            lose_dialled(wrong);
        }
    }
    *problem = dialled.problem;
    return dialled.problem ? KG_DIAL_FAILED : dialled.ended ? KG_DIAL_ENDED : KG_DIAL_OPEN;
}

static size_t dial_read(void *context, void *to, size_t room)
{
    (void)context;
    if (dialled.ended || dialled.problem || !room) {
        return 0;
    }
    ssize_t n = recv(dialled.tcp, to, room, 0);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        lose_dialled(errno);
    }
    dialled.ended = n == 0;
    return n > 0 ? (size_t)n : 0;
}

static size_t dial_write(void *context, const void *from, size_t size)
{
    (void)context;
    ssize_t n = send(dialled.tcp, from, size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        lose_dialled(errno);
    }
    return n > 0 ? (size_t)n : 0;
}

static void dial_close(void *context)
{
    (void)context;
    if (dialled.tcp >= 0) {
        close(dialled.tcp);
    }
    dialled.tcp = -1;
}

static bool dial_open_port(void *context)
{
    int room = 1 << 20;
    (void)context;
    dialled.udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(dialled.udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return dialled.udp >= 0;
}

static void dial_send(void *context, uint32_t address, uint16_t port, const void *from, size_t n)
{
    struct sockaddr_in to = address_of(address, port);
    (void)context;
    if (sendto(dialled.udp, from, n, 0, (struct sockaddr *)&to, sizeof to) < 0) {
        return; /* as one that is lost on its way */
    }
}

static size_t dial_receive(void *context, uint32_t *address, uint16_t *port, void *to, size_t room)
{
    struct sockaddr_in from = {0};
    socklen_t size = sizeof from;
    (void)context;
    ssize_t n = recvfrom(dialled.udp, to, room, 0, (struct sockaddr *)&from, &size);
    *address = ntohl(from.sin_addr.s_addr);
    *port = ntohs(from.sin_port);
    return n > 0 ? (size_t)n : 0;
}

static void dial_close_port(void *context)
{
    (void)context;
    if (dialled.udp >= 0) {
        close(dialled.udp);
    }
    dialled.udp = -1;
}

static void dial_wait(void *context, uint32_t ms)
{
    struct pollfd all[] = {{.fd = dialled.tcp, .events = dialled.connecting ? POLLOUT : POLLIN},
                           {.fd = dialled.udp, .events = POLLIN}};
    (void)context;
    poll(all, sizeof all / sizeof all[0], (int)ms);
}

const struct kg_dial *plat_dial(void)
{
    static const struct kg_dial functions = {
        .now_ms = dial_now,
        .resolve = resolve_nothing,
        .resolved = resolved_nothing,
        .connect = dial_connect,
        .state = dial_state,
        .read = dial_read,
        .write = dial_write,
        .close = dial_close,
        .open_port = dial_open_port,
        .send = dial_send,
        .receive = dial_receive,
        .close_port = dial_close_port,
        .wait = dial_wait,
    };
    return &functions;
}
