/* Proxies that tell what they were told. Must never leave a secret of theirs in what is shown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "proxy/dialogue_internal.h"

/* USER:PASSWORD in base64, as it is said to a proxy (RFC 7617), into the buffer; nothing where
 * there is no password. 0 or -ENOMEM. */
static int encode_login(const ProxyOptions *o, Buffer *encoded)
{
    Buffer pair = {0};
    size_t n;
    int r;

    if (!o->user || !o->password)
        return 0;
    n = strlen(o->user) + 1 + secret_size(o->password);
    r = proxy_reserve(&pair, n) ?: proxy_reserve(encoded, encode_base64_size(n) + 1);
    r = r ?: buffer_append_string(&pair, o->user)
              ?: buffer_append(&pair, ":", 1)
              ?: buffer_append(&pair, secret_text(o->password), secret_size(o->password));
    r = r ?: encode_base64(buffer_data(&pair), buffer_size(&pair), encoded);
    if (pair.memory)
        explicit_bzero(pair.memory, pair.allocated);
    buffer_done(&pair);
    return r;
}

/* As secret_told(), of the lines that the settings add: of what is behind their names, and behind
 * the first word of that, as in "Proxy-Authorization: Basic dTpw". */
static size_t told_of_data(const Secret *data, const char *at, size_t n)
{
    const char *line = data ? secret_text(data) : "";
    size_t most = 0;

    while (*line) {
        const char *end = line + strcspn(line, "\r\n");
        const char *value = line + strcspn(line, ":\r\n"), *word;

        value += strspn(value, ": \t");
        if (value < end)
            most = MAX(most, secret_told(at, n, value, (size_t)(end - value)));
        word = value + strcspn(value, " \t\r\n");
        word += strspn(word, " \t");
        if (word < end)
            most = MAX(most, secret_told(at, n, word, (size_t)(end - word)));
        line = end + strspn(end, "\r\n");
    }
    return most;
}

static int hide(const ProxyDialogue *dialogue, char *data, size_t n)
{
    const ProxyOptions *o = &dialogue->options;
    Buffer login = {0};
    int r = encode_login(o, &login);

    for (size_t at = 0, found; r >= 0 && at < n; at += MAX(found, (size_t)1)) {
        found = told_of_data(o->data, data + at, n - at);
        if (o->password)
            found = MAX(found,
                secret_told(data + at, n - at, secret_text(o->password), secret_size(o->password)));
        if (buffer_size(&login) > 0)
            found = MAX(
                found, secret_told(data + at, n - at, buffer_data(&login), buffer_size(&login)));
        memset(data + at, '*', found);
    }
    if (login.memory)
        explicit_bzero(login.memory, login.allocated);
    buffer_done(&login);
    return r;
}

char *proxy_printable(const ProxyDialogue *dialogue, const char *data, size_t n, size_t max)
{
    char *copy = malloc(n + 1), *shown = NULL;

    if (!copy)
        return NULL;
    memcpy(copy, data, n);
    if (hide(dialogue, copy, n) >= 0)
        shown = text_printable(copy, n, max);
    explicit_bzero(copy, n + 1);
    free(copy);
    return shown;
}
