/* Character sets by iconv(3). Must never put another character in the place of one that a set has
 * not got. */
#include "base/charset.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"

#define PIECE_MAX 256

/* What a token of an encoded word may be made of (RFC 2047, 2), of which no set's name needs more.
 */
static bool is_name(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (!text_is_alphanumeric(name[i]) && !strchr("-_+", name[i]))
            return false;
    return n > 0 && n <= CHARSET_NAME_MAX;
}

/* Whether ASCII is itself in it: else what is not encoded would be in another set than the words.
 */
static bool is_extension_of_ascii(Charset *charset)
{
    static const char sample[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !\"%&'()*+,-./:;<=>?_";
    _cleanup_buffer_ Buffer out = {0};

    return charset_convert(charset, sample, strlen(sample), &out) == 0 &&
           buffer_size(&out) == strlen(sample) &&
           memcmp(buffer_data(&out), sample, strlen(sample)) == 0;
}

int charset_open(const char *name, Charset *ret, Failure *f)
{
    *ret = (Charset){.converter = (iconv_t)-1};
    if (text_equal_nocase(name, "utf-8") || text_equal_nocase(name, "utf8"))
        return 0;
    if (!is_name(name))
        return failure_set(f, -EBADMSG, ERROR_CHARSET,
            "the name of a character set is made of letters, digits and hyphens, as in "
            "ISO-8859-1");
    strcpy(ret->name, name);
    ret->converter = iconv_open(name, "UTF-8");
    if (ret->converter == (iconv_t)-1)
        return errno == ENOMEM ? -ENOMEM
                               : failure_set(f, -EBADMSG, ERROR_CHARSET,
                                     "this system cannot convert to \"%s\"; `iconv -l` "
                                     "lists what it can, and UTF-8 has all characters",
                                     name);
    if (is_extension_of_ascii(ret))
        return 1;
    charset_close(ret);
    return failure_set(f, -EBADMSG, ERROR_CHARSET,
        "in \"%s\" the letters of ASCII are not themselves, as they have to be in a "
        "header; take UTF-8, or another set",
        name);
}

void charset_close(Charset *charset)
{
    if (charset->name[0] && charset->converter != (iconv_t)-1)
        (void)iconv_close(charset->converter);
    charset->converter = (iconv_t)-1;
}

/* One call of iconv(3) into `out`; `in` NULL ends with the bytes that lead to the first state. 1:
 * there is more. */
static int convert_piece(Charset *charset, char **in, size_t *n_in, Buffer *out)
{
    char *start = buffer_reserve(out, PIECE_MAX), *to = start;
    size_t room = PIECE_MAX, r;

    if (!start)
        return -ENOMEM;
    r = iconv(charset->converter, in, n_in, &to, &room);
    buffer_commit(out, (size_t)(to - start));
    if (r == (size_t)-1)
        return errno == E2BIG ? 1 : errno == ENOMEM ? -ENOMEM : -EILSEQ;
    return r > 0 ? -EILSEQ : 0; /* what it has made something like another of */
}

int charset_convert(Charset *charset, const char *text, size_t n, Buffer *out)
{
    size_t before = buffer_size(out);
    char *in = (char *)text;
    int r;

    (void)iconv(charset->converter, NULL, NULL, NULL, NULL);
    do
        r = convert_piece(charset, &in, &n, out);
    while (r > 0);
    while (r >= 0 && (r = convert_piece(charset, NULL, NULL, out)) > 0)
        continue;
    if (r < 0)
        buffer_truncate(out, before);
    return r;
}

unsigned charset_number(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    if (at[0] < 0x80)
        return at[0];
    if (at[0] < 0xe0)
        return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
    if (at[0] < 0xf0)
        return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
    return (at[0] & 0x07u) << 18 | (at[1] & 0x3fu) << 12 | (at[2] & 0x3fu) << 6 | (at[3] & 0x3fu);
}
