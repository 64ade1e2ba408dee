/* The words of the header that the component has numbers for, and cutting its text into fields. */
#include <errno.h>

#include "base/text.h"
#include "message/compose.h"

#define NUMBERS 4
#define NAMES 3

/* As the header has it, and as the component does; the digit is the place. */
static const char *const words[][NUMBERS][NAMES] = {
    [WORD_IMPORTANCE] = {{"", "miUnspecified", "unspecified"}, {"high", "miHigh"},
        {"normal", "miNormal"}, {"low", "miLow"}},
    [WORD_PRIORITY] = {{"", "epUnspecified", "unspecified"}, {"normal", "epNormal"},
        {"urgent", "epUrgent"}, {"non-urgent", "epNonUrgent"}},
    [WORD_SENSITIVITY] = {{"", "esUnspecified", "unspecified"}, {"Personal", "esPersonal"},
        {"Private", "esPrivate"}, {"Company-Confidential", "esCompanyConfidential"}},
};

int compose_word_find(ComposeWord which, const char *text)
{
    for (int number = 0; number < NUMBERS; number++) {
        if (text[0] == '0' + number && text[1] == '\0')
            return number;
        for (size_t i = 0; i < NAMES && words[which][number][i]; i++)
            if (text_equal_nocase(text, words[which][number][i]))
                return number;
    }
    return -1;
}

const char *compose_word_name(ComposeWord which, unsigned number)
{
    return number < NUMBERS ? words[which][number][0] : NULL;
}

/* ---- header lines ---- */

/* Ends the field at `line`, its folds included, with a NUL. Returns the next, or NULL behind the
 * last. */
static char *cut_field(char *line)
{
    char *end = line + strcspn(line, "\n");
    bool more;

    while (*end && (end[1] == ' ' || end[1] == '\t'))
        end += 1 + strcspn(end + 1, "\n");
    more = *end && end[1];
    if (end > line && *end && end[-1] == '\r')
        end[-1] = '\0';
    *end = '\0';
    return more ? end + 1 : NULL;
}

int compose_split_headers(char *text, const char ***ret)
{
    size_t n = 0, lines = 1;
    const char **fields;

    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    fields = calloc(lines + 1, sizeof(char *));
    if (!fields)
        return -ENOMEM;
    for (char *line = *text ? text : NULL, *next; line; line = next) {
        next = cut_field(line);
        if (*line || line == text)
            fields[n++] = line;
    }
    *ret = fields;
    return 0;
}
