/* Queue files of other mail systems: the first byte says whose. What is read of them must be an
 * envelope that can be said to a relay, and end. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "foreign/foreign.h"
#include "target.h"

static const ForeignFormat formats[] = {
    FOREIGN_NULLMAILER, FOREIGN_BSMTP, FOREIGN_POSTFIX, FOREIGN_EML};

/* Of a file of a pickup directory the header may say who it is for. */
static void check_message(ForeignMessage *message, ForeignFormat format)
{
    const Envelope *e = foreign_envelope(message);
    _cleanup_buffer_ Buffer content = {0};

    if (format != FOREIGN_EML && (!e->sender || e->n_recipients == 0))
        abort();
    for (size_t i = 0; i < e->n_recipients; i++)
        if (strpbrk(e->recipients[i].address, "\r\n<>"))
            abort();
    while (foreign_read(message, &content, NULL) > 0)
        continue;
}

const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 200};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
    _cleanup_(foreign_close_p) ForeignQueue *queue = NULL;
    ForeignFormat format;
    const char *name;
    char path[32];
    int r = 1;

    if (size == 0)
        return;
    if (fd < 0 || fchmod(fd, 0700) < 0 || file_write_all(fd, data + 1, size - 1) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    format = formats[data[0] % ELEMENTSOF(formats)];
    if (foreign_open(format, path, &queue, NULL) < 0)
        abort();
    while (r > 0) {
        _cleanup_(foreign_message_free_p) ForeignMessage *message = NULL;

        r = foreign_next(queue, &message, &name, NULL);
        if (r > 0)
            check_message(message, format);
    }
}
