/* Sends a message: send HOST PORT FROM TO */
#include <outbox/outbox.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    OutboxClient *client = outbox_client_new();
    const char *const names[] = {"MailServer", "MailPort", "From", "SendTo"};
    int r = 0;

    for (int i = 0; r == 0 && i < 4; i++)
        r = outbox_set(client, names[i], i + 1 < argc ? argv[i + 1] : "");
    if (r == 0)
        r = outbox_set(client, "tls", "opportunistic");
    if (r == 0)
        r = outbox_set(client, "Subject", "Your order");
    if (r == 0)
        r = outbox_set(client, "MessageText", "Thank you.\n");
    if (r == 0)
        r = outbox_send(client, NULL);
    if (r != 0)
        fprintf(stderr, "send: %d: %s\n", r, outbox_error_text(client));
    outbox_client_free(client);
    return outbox_error_status(r);
}
