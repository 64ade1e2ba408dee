/* Sends a file with a bar that shows how far it has come: progress HOST PORT FROM TO FILE */
#include <outbox/outbox.h>
#include <stdio.h>

static void show(void *user, int direction, uint64_t bytes, uint64_t total, int percent,
    const char *text, size_t n)
{
    char bar[51] = "";

    (void)user, (void)direction, (void)text, (void)n;
    for (int i = 0; i < percent / 2; i++)
        bar[i] = '#';
    fprintf(stderr, "\r%-50s %3d %% of %llu", bar, percent, (unsigned long long)total);
    if (bytes == total)
        fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    OutboxClient *client = outbox_client_new();
    const OutboxEvents events = {.size = sizeof(events), .transfer = show};
    const OutboxPart part = {.size = sizeof(part), .path = argc > 5 ? argv[5] : ""};
    const char *const names[] = {"MailServer", "MailPort", "From", "SendTo"};
    int r = outbox_set_events(client, &events);

    for (int i = 0; r == 0 && i < 4; i++)
        r = outbox_set(client, names[i], i + 1 < argc ? argv[i + 1] : "");
    r = r ? r : outbox_set(client, "tls", "opportunistic");
    r = r ? r : outbox_message_attach(outbox_client_message(client), &part);
    r = r ? r : outbox_send(client, NULL);
    if (r != 0)
        fprintf(stderr, "progress: %d: %s\n", r, outbox_error_text(client));
    outbox_client_free(client);
    return r != 0;
}
