/* What a content looks like on the wire: its size there (RFC 1870, 4), and whether a relay may not
 * take it as it is. Pure; carries over any split of the content. Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORM_LINE_MAX 998 /* RFC 5321, 4.5.3.1.6, without CRLF */

typedef struct ContentForm {
    uint64_t size;       /* with CRLF line ends, without what DATA adds */
    bool is_8bit;        /* has bytes above 127 */
    bool has_long_lines; /* over FORM_LINE_MAX */
    uint64_t line;       /* bytes of the line that is open */
    bool last_was_cr;
} ContentForm;

/* LF, CRLF and a bare CR end a line, as in smtp/content.h. */
void form_add(ContentForm *form, const char *data, size_t n);

/* The last line may have been left open. */
void form_finish(ContentForm *form);

/* Whether any relay takes the whole content: 7-bit, in lines that are short enough. */
bool form_fits(const char *data, size_t n);
