/* settings: any text either loads, and then what is printed of it loads as the same, or has a
 * mistake that is told. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "settings/load.h"
#include "settings/print.h"
#include "target.h"

static void print(const Config *config, Buffer *out)
{
    int r = config_print(config, NULL, NULL, CONFIG_FORMAT_TEXT, out, NULL);

    if (r < 0 && r != -ENOMEM)
        abort();
}

/* libconfig forgets a string that is open where the text has a mistake. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

const FuzzBudget fuzz_budget = {.steps = 4000000, .steps_per_byte = 600};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_config_ Config *config = NULL, *again = NULL;
    _cleanup_buffer_ Buffer first = {0}, second = {0};
    _cleanup_failure_ Failure f = {0};
    int r;

    /* An include could open whatever the fuzzer thinks of. */
    if (memmem(data, size, "@include", strlen("@include")))
        return;
    r = config_load_text("fuzz", (const char *)data, size, NULL, &config, &f);
    if (r == -ENOMEM)
        return;
    if (r < 0) {
        if (r != -EBADMSG || strlen(failure_text(&f)) == 0)
            abort();
        return;
    }
    print(config, &first);
    r = config_load_text("again", buffer_data(&first), buffer_size(&first), NULL, &again, &f);
    if (r < 0 && r != -ENOMEM)
        abort();
    if (r < 0)
        return;
    print(again, &second);
    if (buffer_size(&first) != buffer_size(&second) ||
        memcmp(buffer_data(&first), buffer_data(&second), buffer_size(&first)) != 0)
        abort();
}
