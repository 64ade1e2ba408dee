/* Many clients, each in a thread of its own: threads HOST PORT FROM TO COUNT */
#include <outbox/outbox.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char **arguments;

static void *send_one(void *user)
{
    OutboxClient *client = outbox_client_new();
    int r = 0;

    (void)user;
    r = r ? r : outbox_set(client, "MailServer", arguments[1]);
    r = r ? r : outbox_set(client, "MailPort", arguments[2]);
    r = r ? r : outbox_set(client, "tls", "opportunistic");
    r = r ? r : outbox_set(client, "tls_verify", "false");
    r = r ? r : outbox_set(client, "From", arguments[3]);
    r = r ? r : outbox_set(client, "SendTo", arguments[4]);
    r = r ? r : outbox_set(client, "MessageText", "One of many.\n");
    r = r ? r : outbox_send(client, NULL);
    if (r != 0)
        fprintf(stderr, "threads: %d: %s\n", r, outbox_error_text(client));
    outbox_client_free(client);
    return r == 0 ? user : NULL;
}

int main(int argc, char **argv)
{
    size_t n = argc > 5 ? strtoul(argv[5], NULL, 10) : 0, failures = 0;
    pthread_t *threads = calloc(n, sizeof(pthread_t));

    arguments = argv;
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, send_one, argv) != 0)
            return 1;
    for (size_t i = 0; i < n; i++) {
        void *sent;

        pthread_join(threads[i], &sent);
        failures += !sent;
    }
    free(threads);
    printf("%zu of %zu sent\n", n - failures, n);
    return failures > 0;
}
