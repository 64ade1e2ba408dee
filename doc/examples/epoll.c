/* Several messages at once in a loop of the program's own: epoll HOST PORT FROM TO... */
#include <outbox/outbox.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#define CLIENTS_MAX 64

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* How long epoll may wait, in milliseconds: until the first deadline of a call in progress. */
static int patience(OutboxClient **clients, int n)
{
    uint64_t first = UINT64_MAX, at = now();

    for (int i = 0; i < n; i++)
        if (!outbox_is_idle(clients[i]) && outbox_deadline(clients[i]) < first)
            first = outbox_deadline(clients[i]);
    if (first == UINT64_MAX)
        return -1;
    return first > at ? (int)((first - at + 999) / 1000) : 0;
}

static void tell(const char *recipient, OutboxClient *client, int result, int *failures)
{
    if (result == 0)
        printf("%s: sent\n", recipient);
    else
        fprintf(stderr, "%s: %d: %s\n", recipient, result, outbox_error_text(client));
    *failures += result != 0;
}

int main(int argc, char **argv)
{
    OutboxClient *clients[CLIENTS_MAX];
    int loop = epoll_create1(EPOLL_CLOEXEC), n = argc - 4, left = 0, failures = 0;

    if (n < 1 || n > CLIENTS_MAX) {
        fprintf(stderr, "usage: epoll HOST PORT FROM TO...\n");
        return 64;
    }
    for (int i = 0; i < n; i++) {
        OutboxClient *client = clients[i] = outbox_client_new();
        struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        int r = 0;

        r = r ? r : outbox_set(client, "MailServer", argv[1]);
        r = r ? r : outbox_set(client, "MailPort", argv[2]);
        r = r ? r : outbox_set(client, "tls", "opportunistic");
        r = r ? r : outbox_set(client, "From", argv[3]);
        r = r ? r : outbox_set(client, "SendTo", argv[4 + i]);
        r = r ? r : outbox_set_blocking(client, 0);
        r = r ? r : outbox_send(client, NULL);
        if (r != OUTBOX_ERROR_WOULD_BLOCK) {
            tell(argv[4 + i], client, r, &failures);
            continue;
        }
        epoll_ctl(loop, EPOLL_CTL_ADD, outbox_fd(client), &wanted);
        left++;
    }
    while (left > 0) {
        struct epoll_event found[CLIENTS_MAX];

        epoll_wait(loop, found, CLIENTS_MAX, patience(clients, n));
        for (int i = 0; i < n; i++) {
            int r = outbox_is_idle(clients[i]) ? OUTBOX_ERROR_WOULD_BLOCK : outbox_step(clients[i]);

            if (r == OUTBOX_ERROR_WOULD_BLOCK)
                continue;
            tell(argv[4 + i], clients[i], r, &failures);
            left--;
        }
    }
    for (int i = 0; i < n; i++)
        outbox_client_free(clients[i]);
    return failures > 0;
}
