/* Connections of clients over the host's sockets: see kgpt/connections.h. epoll reports what has become possible once
 * (EPOLLET), and flags keep it until a call finds that it is over: polling costs one system call, however many
 * connections are open. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kgpt/connections.h"
#include "kgpt/format.h"
#include "linux.h"

#define LISTENERS 2u
#define NUMBERS (KG_CONNECTIONS_MAX + 1) /* of a listener: its connections, and itself */
#define CONSOLE UINT32_MAX
#define EVENTS 64

struct linux_connection {
    int fd; /* -1: free */
    bool readable, writable, ended, lost;
};

struct linux_listener {
    int fd;
    bool arrives; /* a connection may wait to be accepted */
    struct linux_connection connections[KG_CONNECTIONS_MAX];
    struct kg_connections functions; /* its context is this listener */
};

static struct {
    const char *address;
    int epoll;
    uint32_t n;
    struct linux_listener listeners[LISTENERS];
} sockets = {.address = "127.0.0.1"};

static uint32_t event_number(const struct linux_listener *listener, uint32_t number)
{
    return (uint32_t)(listener - sockets.listeners) * NUMBERS + number;
}

void kg_linux_listen_on(const char *address)
{
    sockets.address = address;
}

static void watch_fd(int fd, uint32_t number, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.u32 = number};
    epoll_ctl(sockets.epoll, EPOLL_CTL_ADD, fd, &event); /* fails for a console that is a file: nothing arrives there */
}

static void take_socket_events(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(sockets.epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        uint32_t number = events[i].data.u32, what = events[i].events;
        if (number == CONSOLE) {
            continue;
        }
        struct linux_listener *listener = &sockets.listeners[number / NUMBERS];
        if (number % NUMBERS == KG_CONNECTIONS_MAX) {
            listener->arrives = true;
        } else {
            struct linux_connection *connection = &listener->connections[number % NUMBERS];
            connection->readable |= (what & (EPOLLIN | EPOLLRDHUP)) != 0;
            connection->writable |= (what & EPOLLOUT) != 0;
            connection->ended |= (what & (EPOLLRDHUP | EPOLLHUP)) != 0;
            connection->lost |= (what & EPOLLERR) != 0;
        }
    }
}

static void poll_sockets(void *context)
{
    (void)context;
    take_socket_events(0);
}

static void wait_for_sockets(void *context, uint32_t ms)
{
    (void)context;
    take_socket_events((int)ms);
}

static int32_t accept_socket(void *context)
{
    struct linux_listener *listener = context;
    uint32_t number = 0;
    while (number < KG_CONNECTIONS_MAX && listener->connections[number].fd >= 0) {
        number++;
    }
    if (!listener->arrives || number == KG_CONNECTIONS_MAX) {
        return -1;
    }
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0) {
        listener->arrives = errno == EINTR || errno == ECONNABORTED;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* a token is sent at once */
    listener->connections[number] = (struct linux_connection){.fd = fd, .readable = true, .writable = true};
    watch_fd(fd, event_number(listener, number), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    return (int32_t)number;
}

static struct linux_connection *connection_at(void *context, uint32_t number)
{
    return &((struct linux_listener *)context)->connections[number];
}

/* After a call on a socket that did nothing. */
static void note_socket_error(struct linux_connection *connection)
{
    if (errno != EAGAIN && errno != EINTR) {
        connection->lost = true;
    }
}

static size_t read_socket(void *context, uint32_t number, void *to, size_t room)
{
    struct linux_connection *connection = connection_at(context, number);
    if (!connection->readable || connection->lost || !room) {
        return 0;
    }
    ssize_t n = recv(connection->fd, to, room, 0);
    connection->readable = n > 0;
    if (n < 0) {
        note_socket_error(connection);
        connection->readable = errno == EINTR;
    }
    connection->ended |= n == 0;
    return n > 0 ? (size_t)n : 0;
}

static size_t write_socket(void *context, uint32_t number, const void *from, size_t size)
{
    struct linux_connection *connection = connection_at(context, number);
    if (!connection->writable || connection->lost || !size) {
        return 0;
    }
    ssize_t n = send(connection->fd, from, size, MSG_NOSIGNAL);
    if (n < 0) {
        note_socket_error(connection);
        connection->writable = errno == EINTR;
    }
    return n > 0 ? (size_t)n : 0;
}

static enum kg_connection_state socket_state(void *context, uint32_t number)
{
    const struct linux_connection *connection = connection_at(context, number);
    return connection->fd < 0  ? KG_CONNECTION_FREE
           : connection->lost  ? KG_CONNECTION_LOST
           : connection->ended ? KG_CONNECTION_ENDED
                               : KG_CONNECTION_OPEN;
}

static void close_socket(void *context, uint32_t number)
{
    struct linux_connection *connection = connection_at(context, number);
    close(connection->fd); /* the kernel sends what is left */
    connection->fd = -1;
}

static void reset_socket(void *context, uint32_t number)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection_at(context, number)->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_socket(context, number);
}

/* "192.0.2.1:80", "[2001:db8::1]:80" */
static void write_socket_address(const struct sockaddr_storage *address, char *text, size_t size)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        kg_format(text, size, "[%s]:%u", host, ntohs(six->sin6_port));
    } else {
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        kg_format(text, size, "%s:%u", host, ntohs(four->sin_port));
    }
}

static void socket_peer(void *context, uint32_t number, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    getpeername(connection_at(context, number)->fd, (struct sockaddr *)&address, &length);
    write_socket_address(&address, text, size);
}

static void socket_local(void *context, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    getsockname(((const struct linux_listener *)context)->fd, (struct sockaddr *)&address, &length);
    write_socket_address(&address, text, size);
}

/* Returns the length of the address; 0 if the text is none. */
static socklen_t parse_socket_address(const char *text, uint32_t port, struct sockaddr_storage *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    *address = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof *six;
    }
    return 0;
}

static bool open_listener(struct linux_listener *listener, uint32_t port, struct kg_error *error)
{
    struct sockaddr_storage address;
    socklen_t length = parse_socket_address(sockets.address, port, &address);
    int one = 1;
    if (!length) {
        kg_error_set(error, KG_E_INPUT, "%s is not an address of IPv4 or IPv6", sockets.address);
        kg_error_hint(error, "give a numeric address of this host: 127.0.0.1, or 0.0.0.0 for all");
        return false;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, SOMAXCONN) == 0;
    int problem = errno;
    if (!good) {
        kg_error_set(error, KG_E_INPUT, "cannot listen on %s, port %u: %s", sockets.address, port, strerror(problem));
        kg_error_hint(error, problem == EADDRINUSE
                                 ? "another program has the port: choose another one by port= or modbus_port="
                                 : "choose another port, or another address");
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    listener->fd = fd;
    return true;
}

static bool open_epoll(struct kg_error *error)
{
    sockets.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sockets.epoll < 0) {
        kg_error_set(error, KG_E_MEMORY, "cannot watch connections: %s", strerror(errno));
        kg_error_hint(error, "raise the limit of open files: ulimit -n");
        return false;
    }
    watch_fd(STDIN_FILENO, CONSOLE, EPOLLIN); /* Ctrl-C on a terminal */
    return true;
}

const struct kg_connections *plat_connections(uint32_t port, struct kg_arena *arena, struct kg_error *error)
{
    struct linux_listener *listener = &sockets.listeners[sockets.n];
    (void)arena;
    if (!open_listener(listener, port, error) || (sockets.n == 0 && !open_epoll(error))) {
        return NULL;
    }
    sockets.n++;
    listener->functions = (struct kg_connections){
        .context = listener,
        .limit = KG_CONNECTIONS_MAX,
        .accept = accept_socket,
        .read = read_socket,
        .write = write_socket,
        .state = socket_state,
        .close = close_socket,
        .reset = reset_socket,
        .poll = poll_sockets,
        .wait = wait_for_sockets,
        .peer = socket_peer,
        .local = socket_local,
    };
    for (uint32_t i = 0; i < KG_CONNECTIONS_MAX; i++) {
        listener->connections[i].fd = -1;
    }
    watch_fd(listener->fd, event_number(listener, KG_CONNECTIONS_MAX), EPOLLIN);
    return &listener->functions;
}
