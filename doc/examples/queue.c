/* Puts a message with an attachment into a queue directory: queue DIRECTORY FROM TO FILE */
#include <outbox/outbox.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    OutboxClient *client = outbox_client_new();
    OutboxMessage *message = outbox_message_new();
    const OutboxPart part = {.size = sizeof(part), .path = argc > 4 ? argv[4] : ""};
    const char *path = NULL;

    if (!client || !message || argc < 5) {
        fprintf(stderr, "usage: queue DIRECTORY FROM TO FILE\n");
        return 64;
    }
    if (outbox_message_set(message, "From", argv[2]) == 0 &&
        outbox_message_add_recipient(message, OUTBOX_RECIPIENT_TO, "Ann Example", argv[3],
            "NOTIFY=FAILURE,DELAY") == 0 &&
        outbox_message_set(message, "Subject", "The report") == 0 &&
        outbox_message_set(message, "MessageText", "It is attached.\n") == 0 &&
        outbox_message_attach(message, &part) == 0)
        path = outbox_queue(client, message, argv[1]);
    if (path)
        puts(path);
    else
        fprintf(stderr, "queue: %s%s\n", outbox_message_error_text(message),
            outbox_error_text(client));
    outbox_message_free(message);
    outbox_client_free(client);
    return path ? 0 : 1;
}
