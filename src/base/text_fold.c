/* Upper and lower case of every script. Must never depend on the locale of the process. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"

static void locale_done(locale_t *locale)
{
    if (*locale)
        freelocale(*locale);
}

/* Of a character of so many bytes (text_character()). */
static uint32_t decode(const char *text, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)text;
    uint32_t c = n == 1 ? bytes[0] : bytes[0] & (0xffU >> (n + 1));

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (bytes[i] & 0x3f);
    return c;
}

static int append(Buffer *out, uint32_t c)
{
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(n == 1 ? c : (0xf00U >> n & 0xf0) | c);
    return buffer_append(out, bytes, n);
}

static int fold(const char *text, size_t n, locale_t locale, Buffer *out)
{
    int r = 0;

    for (size_t size; n > 0 && r >= 0; text += size, n -= size) {
        size = text_character(text, n);
        if (size == 0) { /* no UTF-8: bytes are compared as they are */
            size = 1;
            r = buffer_append(out, text, 1);
        } else if (size == 1) {
            r = buffer_append(out, &(char){text_fold(*text)}, 1);
        } else {
            /* by the capital: some letters have several small ones */
            wint_t capital = towupper_l((wint_t)decode(text, size), locale);

            r = append(out, (uint32_t)towlower_l(capital, locale));
        }
    }
    return r;
}

int text_fold_case(const char *text, char **ret)
{
    _cleanup_(locale_done) locale_t locale = NULL;
    _cleanup_buffer_ Buffer out = {0};
    size_t n = strlen(text);
    int r;

    *ret = NULL;
    if (!text_is_ascii(text, n)) {
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
        if (!locale && errno == ENOMEM)
            return -ENOMEM;
    }
    if (locale || text_is_ascii(text, n))
        r = fold(text, n, locale, &out);
    else
        r = buffer_append(&out, text, n);
    if (r >= 0)
        r = buffer_append(&out, "", 1);
    if (r < 0)
        return r;
    *ret = strdup(buffer_data(&out));
    return *ret ? 0 : -ENOMEM;
}
