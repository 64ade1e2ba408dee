/* Masking by what a text means in another writing. Must never leave a decoded secret behind. */
#include "base/mask.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/secret.h"
#include "base/text.h"

#define WORD_MIN 6 /* bytes of a word that could hold a secret in another writing */

typedef struct Masking {
    const MaskSecret *secrets;
    size_t n_secrets;
    bool begins[UCHAR_MAX + 1]; /* bytes that a secret begins with */
    char *decoded;              /* room for as many bytes as there are in all */
} Masking;

/* What characters are worth in a writing, and one more; 0: they are none of it. */
typedef unsigned char Digits[UCHAR_MAX + 1];

/* clang-format off */
/* That of base64, and for URLs. */
static const Digits base64_digits = {
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6,
    ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12,
    ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
    ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
    ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
    ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64, ['-'] = 63, ['_'] = 64,
};

static const Digits hex_digits = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
    ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12,
    ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
    ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};
/* clang-format on */

static bool is_byte(const MaskSecret *secret, size_t at, char c)
{
    return c == secret->data[at] ||
           (secret->any_case && text_fold(c) == text_fold(secret->data[at]));
}

/* How much of it is told where so many bytes are the same: those, or 0. */
static size_t enough(const MaskSecret *secret, size_t same)
{
    return secret_told(secret->data, same, secret->data, secret->n);
}

static size_t told(const Masking *m, const char *at, size_t n)
{
    size_t most = 0;

    if (!m->begins[(unsigned char)*at])
        return 0;
    for (size_t i = 0; i < m->n_secrets; i++) {
        const MaskSecret *secret = &m->secrets[i];
        size_t same = 0, longest = MIN(n, secret->n);

        while (same < longest && is_byte(secret, same, at[same]))
            same++;
        most = MAX(most, enough(secret, same));
    }
    return most;
}

/* ---- escapes ---- */

/* Of `n_digits`, or UINT_MAX when they are not there. */
static unsigned read_hex(const char *at, size_t n, size_t n_digits)
{
    unsigned value = 0;

    if (n < n_digits)
        return UINT_MAX;
    for (size_t i = 0; i < n_digits; i++) {
        unsigned digit = hex_digits[(unsigned char)at[i]];

        if (digit == 0)
            return UINT_MAX;
        value = value * 16 + digit - 1;
    }
    return value;
}

static size_t put_utf8(unsigned value, char to[static 4])
{
    size_t n = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; value >>= 6)
        to[i] = (char)(0x80 | (value & 0x3f));
    to[0] = (char)(first[n] | value);
    return n;
}

/* What `\uXXXX` is, or two of them that are one character; `*ret_used` 0: it is none. */
static size_t decode_unicode(const char *at, size_t n, char to[static 4], size_t *ret_used)
{
    unsigned value = read_hex(at + 2, n - 2, 4), low;

    *ret_used = value != UINT_MAX ? 6 : 0;
    if (value >= 0xd800 && value < 0xdc00 && n >= 12 && at[6] == '\\' && at[7] == 'u') {
        low = read_hex(at + 8, n - 8, 4);
        if (low >= 0xdc00 && low < 0xe000) {
            *ret_used = 12;
            value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return *ret_used > 0 ? put_utf8(value, to) : 0;
}

/* The next character, and how many bytes it takes up here. */
static size_t decode_escape(const char *at, size_t n, char to[static 4], size_t *ret_used)
{
    static const char letters[] = "bfnrt/\"'\\", values[] = "\b\f\n\r\t/\"'\\";
    const char *letter;
    unsigned value;
    size_t size = 0;

    *ret_used = 0;
    if (*at == '\\' && n > 2 && at[1] == 'u')
        size = decode_unicode(at, n, to, ret_used);
    if (*at == '\\' && n > 2 && at[1] == 'x' && (value = read_hex(at + 2, n - 2, 2)) != UINT_MAX) {
        *to = (char)value;
        *ret_used = 4;
    } else if (*at == '\\' && n > 1 && at[1] && (letter = strchr(letters, at[1]))) {
        *to = values[letter - letters];
        *ret_used = 2;
    } else if (*ret_used == 0) {
        *to = *at;
        *ret_used = 1;
    }
    return MAX(size, (size_t)1);
}

/* How many bytes are one secret, with escapes; 0: none. */
static size_t told_escaped(const MaskSecret *secret, const char *at, size_t n)
{
    size_t same = 0, used = 0;

    while (same < secret->n && used < n) {
        char next[4];
        size_t step, size = decode_escape(at + used, n - used, next, &step);
        bool equal = size <= secret->n - same;

        for (size_t i = 0; equal && i < size; i++)
            equal = is_byte(secret, same + i, next[i]);
        if (!equal)
            break;
        same += size;
        used += step;
    }
    return enough(secret, same) > 0 ? used : 0;
}

static void mask_escapes(const Masking *m, char *data, size_t n)
{
    if (n == 0 || !memchr(data, '\\', n))
        return;
    for (size_t at = 0, most; at < n; at += MAX(most, (size_t)1)) {
        most = 0;
        if (data[at] == '\\' || m->begins[(unsigned char)data[at]])
            for (size_t i = 0; i < m->n_secrets; i++)
                most = MAX(most, told_escaped(&m->secrets[i], data + at, n - at));
        memset(data + at, '*', most);
    }
}

/* ---- other writings ---- */

/* Digits of `bits` each, from behind the first `skipped`, that a word need not begin with. */
static size_t decode_digits(
    const char *word, size_t n, const Digits digits, unsigned bits, size_t skipped, char *to)
{
    unsigned value = 0, n_bits = 0;
    size_t size = 0;

    for (size_t i = skipped; i < n; i++) {
        value = (value << bits | (digits[(unsigned char)word[i]] - 1U)) & 0xffff;
        n_bits += bits;
        if (n_bits >= 8) {
            n_bits -= 8;
            to[size++] = (char)(value >> n_bits);
        }
    }
    return size;
}

/* With `plus`, one of these is a blank, as in forms. */
static size_t decode_percents(const char *word, size_t n, bool plus, char *to)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned high = word[i] == '%' && i + 2 < n ? hex_digits[(unsigned char)word[i + 1]] : 0;
        unsigned low = high > 0 ? hex_digits[(unsigned char)word[i + 2]] : 0;

        to[size] = low > 0 ? (char)((high - 1) * 16 + low - 1) : word[i];
        if (plus && word[i] == '+')
            to[size] = ' ';
        size++;
        i += low > 0 ? 2 : 0;
    }
    return size;
}

static bool holds(const Masking *m, const char *data, size_t n)
{
    for (size_t at = 0; at < n; at++)
        if (told(m, data + at, n - at) > 0)
            return true;
    return false;
}

/* In the clear. */
static void mask_plain(const Masking *m, char *data, size_t n)
{
    for (size_t at = 0, found; at < n; at += MAX(found, (size_t)1)) {
        found = told(m, data + at, n - at);
        if (found > 0)
            memset(data + at, '*', found);
    }
}

/* The words of one writing, each decoded from each of the first places where it may begin. */
static void mask_digits(
    const Masking *m, char *data, size_t n, const Digits digits, unsigned bits, size_t places)
{
    for (size_t at = 0, word; at < n; at += word + 1) {
        bool found = false;

        for (word = 0; at + word < n && digits[(unsigned char)data[at + word]] > 0;)
            word++;
        for (size_t skipped = 0; word >= WORD_MIN && skipped < places && !found; skipped++)
            found = holds(
                m, m->decoded, decode_digits(data + at, word, digits, bits, skipped, m->decoded));
        if (found)
            memset(data + at, '*', word);
    }
}

static bool ends_word(char c)
{
    return (unsigned char)c <= ' ';
}

static void mask_percents(const Masking *m, char *data, size_t n)
{
    for (size_t at = 0, word; at < n; at += word + 1) {
        bool encoded = false;

        for (word = 0; at + word < n && !ends_word(data[at + word]); word++)
            encoded = encoded || data[at + word] == '%' || data[at + word] == '+';
        if (encoded && word >= WORD_MIN &&
            (holds(m, m->decoded, decode_percents(data + at, word, false, m->decoded)) ||
                holds(m, m->decoded, decode_percents(data + at, word, true, m->decoded))))
            memset(data + at, '*', word);
    }
}

static void note_beginning(Masking *m, const MaskSecret *secret)
{
    if (secret->n == 0)
        return;
    for (unsigned c = 0; c <= UCHAR_MAX; c++)
        m->begins[c] = m->begins[c] || is_byte(secret, 0, (char)c);
}

int mask_secrets(char *data, size_t n, const MaskSecret *secrets, size_t n_secrets)
{
    Masking m = {.secrets = secrets, .n_secrets = n_secrets, .decoded = malloc(n + 1)};

    if (!m.decoded) {
        memset(data, '*', n);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n_secrets; i++)
        note_beginning(&m, &secrets[i]);
    mask_plain(&m, data, n);
    mask_escapes(&m, data, n);
    mask_percents(&m, data, n);
    mask_digits(&m, data, n, hex_digits, 4, 2);
    mask_digits(&m, data, n, base64_digits, 6, 4);
    explicit_bzero(m.decoded, n + 1);
    free(m.decoded);
    return 0;
}

/* ---- all that are known ---- */

int mask_list_add(MaskList *list, const char *data, size_t n)
{
    if (n == 0)
        return 0;
    if (list->n == list->room) {
        size_t room = 2 * list->room + 8;
        MaskSecret *all = reallocarray(list->all, room, sizeof(*all));

        if (!all)
            return -ENOMEM;
        list->all = all;
        list->room = room;
    }
    list->all[list->n++] = (MaskSecret){.data = data, .n = n};
    return 0;
}

void mask_list_done(MaskList *list)
{
    free(list->all);
    *list = (MaskList){0};
}

char *mask_printable(const MaskList *list, const char *data, size_t n, size_t max)
{
    char *copy = malloc(n + 1), *shown = NULL;

    if (!copy)
        return NULL;
    if (n > 0)
        memcpy(copy, data, n);
    if (list->n == 0 || mask_secrets(copy, n, list->all, list->n) >= 0)
        shown = text_printable(copy, n, max);
    explicit_bzero(copy, n + 1);
    free(copy);
    return shown;
}
