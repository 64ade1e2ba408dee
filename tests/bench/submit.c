/* submit socket PATH CLIENTS SECONDS: so many clients, each of which hands messages to the
 * submission socket, one after the other. submit directory PATH CLIENTS SECONDS: the least that
 * makes as many messages durable together: writes them, syncs the file system (one file: that),
 * renames them, syncs the directory. Both print messages a second. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define BYTES 4096

#define START "From: shop@example.org\nTo: ann@example.com\nSubject: Your order\n\n"

static char text[BYTES];

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

static void say(int fd)
{
    char data[BYTES + 64];
    int n = sprintf(data, "QUEUE\nDATA %d\n", BYTES);

    memcpy(data + n, text, BYTES);
    memcpy(data + n + BYTES, "END\n", 4);
    if (write(fd, data, (size_t)n + BYTES + 4) != n + BYTES + 4)
        fail("write");
}

static unsigned by_socket(const char *path, unsigned clients, double end)
{
    struct pollfd polled[CLIENTS_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned done = 0, waiting = clients;

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    for (unsigned i = 0; i < clients; i++) {
        polled[i] = (struct pollfd){socket(AF_UNIX, SOCK_STREAM, 0), POLLIN, 0};
        if (connect(polled[i].fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            fail(path);
        say(polled[i].fd);
    }
    while (waiting > 0) {
        if (poll(polled, clients, -1) < 0)
            fail("poll");
        for (unsigned i = 0; i < clients; i++) {
            char answer[512];

            if (!polled[i].revents)
                continue;
            if (read(polled[i].fd, answer, sizeof(answer)) < 3 || memcmp(answer, "OK ", 3) != 0)
                fail("no answer");
            done++;
            if (now() < end) {
                say(polled[i].fd);
            } else {
                polled[i].fd = -1;
                waiting--;
            }
        }
    }
    return done;
}

static unsigned by_directory(const char *path, unsigned clients, double end)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY), files[CLIENTS_MAX];
    unsigned done = 0;

    if (directory < 0)
        fail(path);
    for (; now() < end; done += clients) {
        char new[64], name[64];

        for (unsigned i = 0; i < clients; i++) {
            sprintf(new, ".new-%u", i);
            files[i] = openat(directory, new, O_WRONLY | O_CREAT | O_EXCL, 0600);
            if (files[i] < 0 || write(files[i], text, BYTES) != BYTES)
                fail(new);
        }
        if (clients == 1 ? fsync(files[0]) : syncfs(directory))
            fail("sync");
        for (unsigned i = 0; i < clients; i++) {
            sprintf(new, ".new-%u", i);
            sprintf(name, "%d-%u.queued", (int)getpid(), done + i);
            if (close(files[i]) < 0 || renameat(directory, new, directory, name) < 0)
                fail(name);
        }
        if (fsync(directory) < 0)
            fail("fsync");
    }
    return done;
}

int main(int argc, char **argv)
{
    unsigned clients = argc == 5 ? (unsigned)atoi(argv[3]) : 0, done;
    double start = now();

    if (clients < 1 || clients > CLIENTS_MAX)
        return EXIT_FAILURE;
    memset(text, 'x', sizeof(text));
    memcpy(text, START, strlen(START));
    for (size_t i = 100; i < sizeof(text); i += 70)
        text[i] = '\n';
    done = (strcmp(argv[1], "socket") == 0 ? by_socket : by_directory)(
        argv[2], clients, start + atof(argv[4]));
    printf("%.1f\n", done / (now() - start));
    return EXIT_SUCCESS;
}
