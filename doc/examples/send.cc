// The same from C++: send HOST PORT FROM TO
#include <outbox/outbox.h>

#include <iostream>
#include <memory>

int main(int argc, char **argv)
{
    std::unique_ptr<OutboxClient, decltype(&outbox_client_free)> client(
        outbox_client_new(), outbox_client_free);
    OutboxEvents events = {};
    int r = 0;

    events.size = sizeof(events);
    events.recipient = [](void *, const OutboxOutcome *outcome) {
        std::cout << outcome->recipient << ": " << outcome->code << " " << outcome->text << "\n";
    };
    r = r ? r : outbox_set_events(client.get(), &events);
    const char *const names[] = {"MailServer", "MailPort", "From", "SendTo"};
    for (int i = 0; r == 0 && i < 4; i++)
        r = outbox_set(client.get(), names[i], i + 1 < argc ? argv[i + 1] : "");
    r = r ? r : outbox_set(client.get(), "tls", "opportunistic");
    r = r ? r : outbox_send(client.get(), nullptr);
    if (r != 0)
        std::cerr << r << ": " << outbox_error_text(client.get()) << "\n";
    return r != 0;
}
