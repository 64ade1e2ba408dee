/* Decides on a server's certificate by its fingerprint: certificate HOST PORT [SHA256] */
#include <outbox/outbox.h>
#include <stdio.h>
#include <string.h>

static void decide(
    void *user, const OutboxCertificate *certificate, const char *status, int *accept)
{
    const char *known = user, *shown = outbox_certificate_get(certificate, "FingerprintSHA256");

    printf("subject %s\nissuer  %s\nuntil   %s\nSHA-256 %s\nstatus  %s\n",
        outbox_certificate_get(certificate, "Subject"),
        outbox_certificate_get(certificate, "Issuer"),
        outbox_certificate_get(certificate, "ExpirationDate"), shown, status);
    *accept = known ? strcmp(shown, known) == 0 : *accept;
}

int main(int argc, char **argv)
{
    OutboxClient *client = outbox_client_new();
    const OutboxEvents events = {
        .size = sizeof(events),
        .user = argc > 3 ? argv[3] : NULL,
        .server_certificate = decide,
    };
    int r = outbox_set_events(client, &events);

    r = r ? r : outbox_set(client, "MailServer", argc > 1 ? argv[1] : "");
    r = r ? r : outbox_set(client, "MailPort", argc > 2 ? argv[2] : "");
    r = r ? r : outbox_set(client, "tls", "starttls");
    r = r ? r : outbox_connect(client);
    if (r == 0)
        printf("TLS     %s %s\n", outbox_get(client, "SSLNegotiatedVersion"),
            outbox_get(client, "SSLNegotiatedCipherSuite"));
    else
        fprintf(stderr, "certificate: %d: %s\n", r, outbox_error_text(client));
    outbox_disconnect(client);
    outbox_client_free(client);
    return r != 0;
}
