/* Hands over messages, of so many clients at a time, each of which begins its next one when the one
 * before is durable, and prints: messages a second, and of the time of one in milliseconds the
 * median and the 99th percentile. submit socket PATH CLIENTS SECONDS             by the submission
 * socket submit smtp PORT CLIENTS SECONDS               by SMTP, command by command, over
 * connections that are kept submit program FILE CLIENTS SECONDS COMMAND... by a process each, with
 * the file as its standard input submit directory PATH CLIENTS SECONDS          the least that
 * makes them durable together: writes them, syncs the file system (one file: that), renames them,
 * syncs the directory */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define SAMPLES_MAX (1 << 20)
#define BYTES 4096
#define GRACE 60 /* seconds after which a message that is not answered ends the run */

#define START "From: shop@example.org\r\nTo: ann@example.com\r\nSubject: Your order\r\n\r\n"

typedef struct Client {
    int fd;
    pid_t pid;
    unsigned step; /* of SMTP */
    double began;
    char answer[1024];
    size_t n;
} Client;

static char text[BYTES];
static double samples[SAMPLES_MAX];
static size_t n_samples;
static Client clients[CLIENTS_MAX];
static unsigned n_clients;
static double end;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void take_time(double began)
{
    if (n_samples < SAMPLES_MAX)
        samples[n_samples++] = now() - began;
}

static void say(const Client *c, const char *data, size_t n)
{
    if (write(c->fd, data, n) != (ssize_t)n)
        fail("write");
}

/* ---- the submission socket ---- */

static int dial_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail(path);
    return fd;
}

static void begin_socket(Client *c)
{
    char data[BYTES + 64];
    int n = sprintf(data, "QUEUE\nDATA %d\n", BYTES);

    memcpy(data + n, text, BYTES);
    memcpy(data + n + BYTES, "END\n", 4);
    c->began = now();
    say(c, data, (size_t)n + BYTES + 4);
}

/* Whether the message is durable. */
static int take_socket(Client *c)
{
    if (strncmp(c->answer, "OK ", 3) != 0) {
        fputs(c->answer, stderr);
        exit(EXIT_FAILURE);
    }
    return 1;
}

/* ---- SMTP ---- */

static int dial_smtp(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail(port);
    return fd;
}

/* What is said after which answer: the greeting is answered by EHLO, the end of a message by the
 * next one. */
static const struct {
    const char *code, *next;
} dialogue[] = {{"220", "EHLO localhost\r\n"}, {"250", "MAIL FROM:<a@example.org>\r\n"},
    {"250", "RCPT TO:<b@example.net>\r\n"}, {"250", "DATA\r\n"}, {"354", NULL}, {"250", NULL}};

enum { STEP_MAIL = 1, STEP_CONTENT = 4, STEP_END = 5 };

static int take_smtp(Client *c)
{
    if (strncmp(c->answer, dialogue[c->step].code, 3) != 0) {
        fputs(c->answer, stderr);
        exit(EXIT_FAILURE);
    }
    if (c->step == STEP_END)
        return 1;
    if (c->step == STEP_CONTENT) {
        char data[BYTES + 8];

        memcpy(data, text, BYTES);
        memcpy(data + BYTES, "\r\n.\r\n", 5);
        say(c, data, BYTES + 5);
    } else {
        say(c, dialogue[c->step].next, strlen(dialogue[c->step].next));
    }
    c->step++;
    return 0;
}

/* The first is begun by what the server says. */
static void begin_smtp(Client *c)
{
    c->began = now();
    if (c->step == STEP_END) {
        say(c, dialogue[STEP_MAIL].next, strlen(dialogue[STEP_MAIL].next));
        c->step = STEP_MAIL + 1;
    }
}

/* ---- those that are connected ---- */

static const char *last_line(const Client *c)
{
    const char *line = c->answer, *next;

    while ((next = strchr(line, '\n')) && next[1])
        line = next + 1;
    return line;
}

/* Whether an answer is complete: its last line has no hyphen behind the code. */
static int read_answer(Client *c)
{
    ssize_t n = read(c->fd, c->answer + c->n, sizeof(c->answer) - 1 - c->n);

    if (n <= 0)
        fail("no answer");
    c->n += (size_t)n;
    c->answer[c->n] = '\0';
    return c->answer[c->n - 1] == '\n' && last_line(c)[3] != '-';
}

static void connected(
    const char *where, int (*dial)(const char *), void (*begin)(Client *), int (*take)(Client *))
{
    struct pollfd polled[CLIENTS_MAX];
    unsigned waiting = n_clients;

    for (unsigned i = 0; i < n_clients; i++) {
        clients[i].fd = dial(where);
        polled[i] = (struct pollfd){clients[i].fd, POLLIN, 0};
        begin(&clients[i]);
    }
    while (waiting > 0) {
        if (poll(polled, n_clients, -1) < 0)
            fail("poll");
        for (unsigned i = 0; i < n_clients; i++) {
            Client *c = &clients[i];

            if (!polled[i].revents || !read_answer(c))
                continue;
            c->n = 0;
            if (!take(c))
                continue;
            take_time(c->began);
            if (now() < end) {
                begin(c);
            } else {
                polled[i].fd = -1;
                waiting--;
            }
        }
    }
}

/* ---- a process each ---- */

static void start_program(Client *c, const char *file, char **command)
{
    c->began = now();
    c->pid = vfork();
    if (c->pid < 0)
        fail("fork");
    if (c->pid == 0) {
        int in = open(file, O_RDONLY), out = open("/dev/null", O_WRONLY);

        if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
            _exit(EXIT_FAILURE);
        execv(command[0], command);
        _exit(EXIT_FAILURE);
    }
}

static void by_program(const char *file, char **command)
{
    unsigned running = n_clients;

    for (unsigned i = 0; i < n_clients; i++)
        start_program(&clients[i], file, command);
    while (running > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        Client *c = clients;

        while (c->pid != pid)
            c++;
        if (status != 0) {
            fprintf(stderr, "%s ended with status %d\n", command[0], status);
            exit(EXIT_FAILURE);
        }
        take_time(c->began);
        if (now() < end)
            start_program(c, file, command);
        else
            running--;
    }
}

/* ---- the least ---- */

static void by_directory(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY), files[CLIENTS_MAX];

    if (directory < 0)
        fail(path);
    for (unsigned done = 0; now() < end; done += n_clients) {
        char new[64], name[64];
        double began = now();

        for (unsigned i = 0; i < n_clients; i++) {
            sprintf(new, ".new-%u", i);
            files[i] = openat(directory, new, O_WRONLY | O_CREAT | O_EXCL, 0600);
            if (files[i] < 0 || write(files[i], text, BYTES) != BYTES)
                fail(new);
        }
        if (n_clients == 1 ? fsync(files[0]) : syncfs(directory))
            fail("sync");
        for (unsigned i = 0; i < n_clients; i++) {
            sprintf(new, ".new-%u", i);
            sprintf(name, "%d-%u.queued", (int)getpid(), done + i);
            if (close(files[i]) < 0 || renameat(directory, new, directory, name) < 0)
                fail(name);
        }
        if (fsync(directory) < 0)
            fail("fsync");
        for (unsigned i = 0; i < n_clients; i++)
            take_time(began);
    }
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void print_figures(double start)
{
    double took = now() - start;

    if (n_samples == 0)
        exit(EXIT_FAILURE);
    qsort(samples, n_samples, sizeof(*samples), compare);
    printf("%zu %.1f %.3f %.3f\n", n_samples, (double)n_samples / took,
        1e3 * samples[n_samples / 2], 1e3 * samples[n_samples * 99 / 100]);
}

static void fill_text(void)
{
    memset(text, 'x', sizeof(text));
    memcpy(text, START, strlen(START));
    for (size_t i = 100; i < sizeof(text); i += 70)
        memcpy(text + i - 1, "\r\n", 2);
}

int main(int argc, char **argv)
{
    double start = now(), seconds;

    n_clients = argc >= 5 ? (unsigned)atoi(argv[3]) : 0;
    if (n_clients < 1 || n_clients > CLIENTS_MAX)
        return EXIT_FAILURE;
    seconds = atof(argv[4]);
    end = start + seconds;
    alarm((unsigned)seconds + GRACE);
    fill_text();
    if (strcmp(argv[1], "socket") == 0)
        connected(argv[2], dial_socket, begin_socket, take_socket);
    else if (strcmp(argv[1], "smtp") == 0)
        connected(argv[2], dial_smtp, begin_smtp, take_smtp);
    else if (strcmp(argv[1], "program") == 0 && argc > 5)
        by_program(argv[2], argv + 5);
    else
        by_directory(argv[2]);
    print_figures(start);
    return EXIT_SUCCESS;
}
