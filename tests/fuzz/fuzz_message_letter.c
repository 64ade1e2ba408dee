/* Composes a message of whatever a program may set: names, addresses and options of recipients,
 * HTML, a text that comes in pieces, files with names, types and ids, other headers; in some
 * character set and width. What is composed has to be lines of 7 bits that everybody takes, with no
 * recipient and no field that was not asked for; and the queue has to read the envelope from it.
 * The parts have a byte 0x01 between them; the first character chooses how the header is written.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "message/letter.h"
#include "message/message.h"
#include "target.h"

#define PARTS 11
#define LINE_MAX_BYTES 998

/* Cuts off the text up to the next 0x01, in place. */
static char *next_part(char **rest)
{
    char *part = *rest, *end = strchr(part, 1);

    if (end) {
        *end = '\0';
        *rest = end + 1;
    } else {
        *rest = part + strlen(part);
    }
    return part;
}

/* The text, three bytes at a time. */
static ssize_t read_some(void *user, void *to, size_t n)
{
    const char **at = user;

    n = strnlen(*at, MIN(n, (size_t)3));
    memcpy(to, *at, n);
    *at += n;
    return (ssize_t)n;
}

static void set(Letter *l, const char *name, const char *value)
{
    if (letter_set(l, name, value, NULL) == -ENOMEM)
        abort();
}

static void choose_style(Letter *l, unsigned char choice)
{
    static const char *const charsets[] = {"utf-8", "iso-8859-1", "iso-2022-jp", "us-ascii"};
    static const char *const widths[] = {"80", "60", "998", "100"};

    set(l, "charset", charsets[choice & 3]);
    set(l, "max_header_length", widths[choice >> 2 & 3]);
    set(l, "fold_headers", choice & 16 ? "false" : "true");
    set(l, "message_id", "<fixed@lab.test>");
}

static void fill(Letter *l, char *const parts[PARTS], const char **text)
{
    const ComposeSource stream = {.origin = COMPOSE_CALLBACK, .read = read_some, .user = text};
    const ComposePart shown = {.source = compose_bytes("GIF", 3),
        .name = parts[5],
        .type = parts[6][0] ? parts[6] : NULL,
        .content_id = parts[7][0] ? parts[7] : NULL,
        .is_inline = parts[4][0] != '\0'};

    choose_style(l, (unsigned char)parts[0][0]);
    set(l, "from", "Shop <shop@lab.test>");
    set(l, "to", "ann@lab.test");
    if (parts[2][0] && letter_add_recipient(l, COMPOSE_CC, parts[1], parts[2], parts[3]) < 0)
        abort();
    set(l, "html", parts[4]);
    if (parts[5][0] && letter_attach(l, &shown) < 0)
        abort();
    if (letter_set_stream(l, &stream) < 0)
        abort();
    set(l, "headers", parts[9]);
    set(l, "subject", parts[10]);
}

/* Fields of the header that are there whatever is set, or that are asked for by other means. */
static bool is_usual(const char *line)
{
    static const char *const names[] = {"From:", "To:", "Cc:", "Subject:", "Date:", "Message-ID:",
        "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:", "X-Sender:", "X-Receiver:"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (text_starts_nocase(line, names[i]))
            return true;
    return false;
}

static void check_lines(const char *text, size_t n, bool has_headers)
{
    size_t receivers = 0;
    bool in_header = true;

    for (const char *line = text; line < text + n;) {
        size_t size = (size_t)((const char *)memchr(line, '\n', (size_t)(text + n - line)) - line);

        if (in_header && size > 0 && !has_headers)
            assert(*line == ' ' || *line == '\t' || is_usual(line));
        receivers += in_header && text_starts_nocase(line, "X-Receiver:");
        in_header = in_header && size > 0;
        assert(size <= LINE_MAX_BYTES || text_starts_nocase(line, "X-Receiver:"));
        assert(in_header || has_headers || text_is_ascii(line, size));
        line += size + 1;
    }
    assert(receivers == 1 || receivers == 2);
}

static void check_open(const char *text, size_t n)
{
    _cleanup_(message_free_p) Message *message = NULL;
    InputMemory input;

    input_memory_init(&input, text, n);
    assert(message_open(&input.base, 1, "x", &message, NULL) == 0 || n >= MESSAGE_HEADER_MAX);
}

const FuzzBudget fuzz_budget = {.steps = 800000, .steps_per_byte = 1000};

void fuzz_input(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), *rest = copy, *parts[PARTS];
    _cleanup_(letter_free_p) Letter *l = letter_new();
    _cleanup_(composed_free_p) Composed *composed = NULL;
    _cleanup_buffer_ Buffer out = {0};
    const char *text;
    int r;

    if (!copy || !l)
        abort();
    memcpy(copy, data, size);
    copy[size] = '\0';
    for (size_t i = 0; i < PARTS; i++)
        parts[i] = next_part(&rest);
    text = parts[8];
    fill(l, parts, &text);
    r = letter_open(l, 1, &composed, NULL);
    while (r >= 0 && (r = composed_read(composed, 1, &out, NULL)) > 0)
        continue;
    if (r == 0) {
        check_lines(buffer_data(&out), buffer_size(&out), parts[9][0]);
        check_open(buffer_data(&out), buffer_size(&out));
    }
    free(copy);
}
