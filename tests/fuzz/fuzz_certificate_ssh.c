/* certificate/ssh: a line, RFC 4716, a blob or OpenSSH's private key, whichever it begins as. */
#include <errno.h>

#include "certificate.h"

const FuzzBudget fuzz_budget = {.steps = 150000, .steps_per_byte = 150};

/* A derivation of some rounds, and the proof of an RSA key: seconds would stop the fuzzer. */
#define ROUNDS_LEFT 100000

void fuzz_input(const uint8_t *data, size_t size)
{
    const Bytes bytes = {data, size};
    CertificateReader reader = ssh_read_private;

    if (ssh_is_rfc4716(bytes))
        reader = ssh_read_rfc4716;
    else if (ssh_is_line(bytes))
        reader = ssh_read_lines;
    else if (ssh_is_blob(bytes))
        reader = ssh_read_blob;
    check_reader_within(reader, ROUNDS_MAX - ROUNDS_LEFT, data, size);
}
