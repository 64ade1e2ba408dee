/* Prints the table of settings for scripts/check-docs, which holds the manual page and the sample
 * against it: section, name, aliases, default and values, with tabs between them. */
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "settings/table.h"
#include "settings/value.h"

/* The documentation speaks of /var, wherever this build puts it; "-" is: not set. */
static void print_default(const char *text)
{
    size_t n = strlen(LOCALSTATEDIR);

    if (text && strncmp(text, LOCALSTATEDIR "/", n + 1) == 0)
        printf("/var%s", text + n);
    else
        printf("%s", text ?: "-");
}

int main(void)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        _cleanup_buffer_ Buffer values = {0};

        if (value_describe(&rows[i], &values) < 0)
            return EXIT_FAILURE;
        printf("%s\t%s\t%s\t", section_name(rows[i].section), rows[i].name, rows[i].aliases);
        print_default(rows[i].default_text);
        printf("\t%.*s\n", (int)buffer_size(&values), buffer_data(&values));
    }
    return EXIT_SUCCESS;
}
