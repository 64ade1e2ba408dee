/* Configurations of other mail systems: the first byte says whose, 'p' is Postfix's. What is
 * written of them has no line that is read as more than a comment or a setting, and no password. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "foreign/config.h"
#include "target.h"

static const ForeignSystem systems[] = {
    FOREIGN_SYSTEM_MSMTP, FOREIGN_SYSTEM_SSMTP, FOREIGN_SYSTEM_DMA};

const FuzzBudget fuzz_budget = {.steps = 60000, .steps_per_byte = 1500};

/* A comment, a setting in its section, or what is around those. */
static bool is_in_form(const char *line, size_t n)
{
    static const char *const whole[] = {
        "", "#", "relays = (", "    {", "    }", "    },", ");", "local = {", "retry = {", "};"};
    size_t blanks = strspn(line, " ");

    for (size_t i = 0; i < ELEMENTSOF(whole); i++)
        if (n == strlen(whole[i]) && memcmp(line, whole[i], n) == 0)
            return true;
    return memcmp(line, "# ", 2) == 0 ||
           ((blanks == 4 || blanks == 8) && line[n - 1] == ';' && memchr(line, '=', n));
}

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
    _cleanup_failure_ Failure f = {0};
    ForeignConfig config = {0};
    ForeignSystem system;
    char path[32];

    if (size == 0)
        return;
    if (fd < 0 || file_write_all(fd, data + 1, size - 1) < 0)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    system = data[0] == 'p' ? FOREIGN_SYSTEM_POSTFIX : systems[data[0] % ELEMENTSOF(systems)];
    if (foreign_config_load(system, path, NULL, "/etc/outbox", &config, &f) < 0) {
        if (!f.text)
            abort();
        return;
    }
    for (const char *line = buffer_data(&config.text), *end = line + buffer_size(&config.text);
         line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));

        if (!next || !is_in_form(line, (size_t)(next - line)))
            abort();
        line = next + 1;
    }
    foreign_config_done(&config);
}
