/* Text and attachments as MIME parts. Must never put the name of a file's directory into a message,
 * and never leave out a file it could not read. */
#include "message/compose_body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/encode.h"
#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/field_text.h"

#define ATTACHMENT_MAX ((size_t)1024 * 1024 * 1024)
#define BOUNDARY_RANDOM 24
#define BOUNDARY_MARK "=_" /* neither base64 nor quoted-printable holds it */

static const struct {
    const char *extension, *type;
} content_types[] = {
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ics", "text/calendar"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"log", "text/plain"},
    {"m4a", "audio/mp4"},
    {"md", "text/markdown"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"ogg", "audio/ogg"},
    {"patch", "text/x-diff"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"rtf", "application/rtf"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"txt", "text/plain"},
    {"vcf", "text/vcard"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

static const char *type_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ELEMENTSOF(content_types); i++)
        if (text_equal_nocase(dot + 1, content_types[i].extension))
            return content_types[i].type;
    return "application/octet-stream";
}

static int put_encoding(const char *encoding, Buffer *out)
{
    return buffer_appendf(out, "Content-Transfer-Encoding: %s\n\n", encoding);
}

/* ---- the text ---- */

/* Whether the lines, which end with LF, can go as they are. */
static bool is_7bit(const char *text, size_t n)
{
    for (size_t i = 0, line = 0; i < n; i++, line++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '\n')
            line = (size_t)-1;
        else if (c >= 0x80 || c == '\r' || c == '\0' || line >= FIELD_LINE_MAX)
            return false;
    }
    return true;
}

/* Quoted-printable while it is the shorter one: it can be read without a program. */
static bool wants_base64(const char *text, size_t n)
{
    size_t others = 0;

    for (size_t i = 0; i < n; i++)
        others += (unsigned char)text[i] >= 0x80;
    return others > n / 6;
}

int compose_body_put_raw(const char *text, Buffer *out)
{
    int r = 0;

    while (r == 0 && *text) {
        size_t n = strcspn(text, "\n"), next = n + (text[n] == '\n');

        r = buffer_append(out, text, n > 0 && text[n] && text[n - 1] == '\r' ? n - 1 : n);
        if (r == 0)
            r = buffer_append(out, "\n", 1);
        text += next;
    }
    return r;
}

int compose_body_put_encoded(const char *text, Buffer *out)
{
    _cleanup_buffer_ Buffer lines = {0};
    const char *data;
    size_t n;
    int r = compose_body_put_raw(text, &lines);

    if (r < 0)
        return r;
    data = buffer_data(&lines), n = buffer_size(&lines);
    if (is_7bit(data, n))
        return put_encoding("7bit", out) ?: buffer_append(out, data, n);
    if (wants_base64(data, n))
        return put_encoding("base64", out) ?: encode_base64_lines(data, n, out);
    return put_encoding("quoted-printable", out) ?: encode_quoted_printable(data, n, out);
}

static int put_text(const char *text, Buffer *out, Failure *f)
{
    int r;

    if (!text_is_utf8(text, strlen(text)))
        return failure_set(f, -EBADMSG, ERROR_CHARSET,
            "the text of the message is not UTF-8; convert it, for instance with iconv");
    r = buffer_appendf(out, "Content-Type: text/plain; charset=%s\n",
        text_is_ascii(text, strlen(text)) ? "us-ascii" : "utf-8");
    return r < 0 ? r : compose_body_put_encoded(text, out);
}

/* ---- attachments ---- */

/* The name without its directory, in UTF-8. 0, -EBADMSG with a Failure, or -ENOMEM. */
static int name_of(const char *path, char **ret, Failure *f)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    _cleanup_buffer_ Buffer shown = {0};
    int r = 0;

    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return failure_set(f, -EBADMSG, ERROR_ATTACHMENT,
                "the name of the attachment %s holds a line break or another control character; "
                "give the file another name, or attach a link to it",
                path);
    for (const char *end = name + strlen(name); name < end && r >= 0;) {
        size_t n = text_character(name, (size_t)(end - name));

        r = n > 0 ? buffer_append(&shown, name, n) : buffer_append_string(&shown, "\uFFFD");
        name += MAX(n, (size_t)1);
    }
    if (r >= 0)
        r = buffer_append(&shown, "", 1);
    if (r >= 0)
        *ret = strdup(buffer_data(&shown));
    return r < 0 || !*ret ? -ENOMEM : 0;
}

static int put_fields(const char *name, bool is_utf8, Buffer *out, Failure *f)
{
    const char *type = type_of(name);
    FieldWriter w;
    int r;

    field_begin(&w, out, "Content-Type", strlen("Content-Type"));
    field_put_word(&w, type);
    if (is_utf8 && text_starts_nocase(type, "text/"))
        field_put_parameter(&w, "charset", "utf-8");
    field_put_parameter(&w, "name", name);
    r = field_end(&w, "attachment", f);
    if (r < 0)
        return r;
    field_begin(&w, out, "Content-Disposition", strlen("Content-Disposition"));
    field_put_word(&w, "attachment");
    field_put_parameter(&w, "filename", name);
    r = field_end(&w, "attachment", f);
    return r < 0 ? r : put_encoding("base64", out);
}

static int put_attachment(const char *path, Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer content = {0};
    _cleanup_free_
    char *name = NULL;
    int r = name_of(path, &name, f);

    if (r >= 0)
        r = file_load(AT_FDCWD, path, ATTACHMENT_MAX, &content);
    if (r == -EBADMSG || r == -ENOMEM)
        return r;
    if (r < 0)
        return failure_set(f, -EBADMSG, ERROR_ATTACHMENT, "cannot read the attachment %s: %s", path,
            r == -EFBIG ? "it is larger than 1 GiB" : strerrordesc_np(-r));
    r = put_fields(name, text_is_utf8(buffer_data(&content) ?: "", buffer_size(&content)), out, f);
    return r < 0 ? r : encode_base64_lines(buffer_data(&content), buffer_size(&content), out);
}

/* ---- all of it ---- */

static int put_parts(const char *text, const char *const *attachments, Buffer *out, Failure *f)
{
    char boundary[sizeof(BOUNDARY_MARK) + BOUNDARY_RANDOM] = BOUNDARY_MARK;
    int r;

    file_random_name(boundary + strlen(BOUNDARY_MARK), BOUNDARY_RANDOM);
    r = buffer_appendf(
        out, "Content-Type: multipart/mixed; boundary=\"%s\"\n\n--%s\n", boundary, boundary);
    if (r >= 0)
        r = put_text(text, out, f);
    for (; *attachments && r >= 0; attachments++) {
        r = buffer_appendf(out, "\n--%s\n", boundary);
        if (r >= 0)
            r = put_attachment(*attachments, out, f);
    }
    return r < 0 ? r : buffer_appendf(out, "\n--%s--\n", boundary);
}

int compose_body_put(const char *text, const char *const *attachments, Buffer *out, Failure *f)
{
    return attachments && attachments[0] ? put_parts(text, attachments, out, f)
                                         : put_text(text, out, f);
}
