/* Bytes that may be a secret. Must never leave a copy behind. */
#include "certificate/octets.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"

int octets_new(Octets *ret, size_t n)
{
    *ret = (Octets){OPENSSL_zalloc(n + 1), n};
    return ret->data ? 0 : -ENOMEM;
}

void octets_done(Octets *octets)
{
    OPENSSL_clear_free(octets->data, octets->n);
    *octets = (Octets){0};
}

/* As much as there was when it was opened, or less. */
static int read_all(int fd, Octets *octets)
{
    size_t n = 0;

    while (n < octets->n) {
        ssize_t k = read(fd, octets->data + n, octets->n - n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        if (k == 0)
            break;
        n += (size_t)k;
    }
    octets->n = n;
    return 0;
}

int octets_load(int directory_fd, const char *path, size_t max, Octets *ret)
{
    _cleanup_close_ int fd =
        openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    int r;

    *ret = (Octets){0};
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    if ((unsigned long long)st.st_size > max)
        return -EFBIG;
    r = octets_new(ret, (size_t)st.st_size);
    if (r >= 0)
        r = read_all(fd, ret);
    if (r < 0)
        octets_done(ret);
    return r;
}

static int base64_value(char c, bool url)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *at;

    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    at = c == '\0' ? NULL : strchr(digits, c);
    return at ? (int)(at - digits) : -1;
}

int octets_from_base64(const char *text, size_t n, bool url, Octets *ret)
{
    unsigned bits = 0, held = 0;
    size_t characters = 0, padding = 0, out = 0;
    int r = octets_new(ret, n / 4 * 3 + 3);

    for (size_t i = 0; r >= 0 && i < n; i++) {
        int value = base64_value(text[i], url);

        if (text_is_space(text[i]))
            continue;
        if (text[i] == '=' && padding < 2) {
            padding++;
            continue;
        }
        if (value < 0 || padding > 0) {
            r = -EINVAL;
            break;
        }
        bits = (bits << 6 | (unsigned)value) & 0xffffff;
        held += 6;
        characters++;
        if (held >= 8) {
            held -= 8;
            ret->data[out++] = (unsigned char)(bits >> held);
        }
    }
    if (r >= 0 && (characters % 4 == 1 || (padding > 0 && (characters + padding) % 4 != 0)))
        r = -EINVAL;
    if (r < 0)
        octets_done(ret);
    else
        ret->n = out;
    return r;
}

int octets_from_hex(const char *text, size_t n, Octets *ret)
{
    int r = n % 2 == 0 ? octets_new(ret, n / 2) : -EINVAL;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        int value = OPENSSL_hexchar2int((unsigned char)text[i]);

        if (value < 0)
            r = -EINVAL;
        else
            ret->data[i / 2] = (unsigned char)(ret->data[i / 2] << 4 | value);
    }
    if (r < 0 && n % 2 == 0)
        octets_done(ret);
    return r;
}
