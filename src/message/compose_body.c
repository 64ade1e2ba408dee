/* Text and attachments as MIME parts. Must never put the name of a file's directory into a message,
 * and never leave out a file it could not read. */
#include "message/compose_body.h"

#include <errno.h>
#include <fcntl.h>
#include <gmime/gmime.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/glib_cleanup.h"

#define ATTACHMENT_MAX ((size_t)1024 * 1024 * 1024)
#define LINE_MAX_BYTES 998 /* RFC 5322, 2.1.1, without the line end */

struct ComposeBody {
    GMimeObject *root;
};

static const struct {
    const char *extension, *type, *subtype;
} content_types[] = {
    {"avif", "image", "avif"},
    {"bmp", "image", "bmp"},
    {"bz2", "application", "x-bzip2"},
    {"css", "text", "css"},
    {"csv", "text", "csv"},
    {"doc", "application", "msword"},
    {"docx", "application", "vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"gif", "image", "gif"},
    {"gz", "application", "gzip"},
    {"htm", "text", "html"},
    {"html", "text", "html"},
    {"ics", "text", "calendar"},
    {"jpeg", "image", "jpeg"},
    {"jpg", "image", "jpeg"},
    {"js", "text", "javascript"},
    {"json", "application", "json"},
    {"log", "text", "plain"},
    {"m4a", "audio", "mp4"},
    {"md", "text", "markdown"},
    {"mp3", "audio", "mpeg"},
    {"mp4", "video", "mp4"},
    {"odp", "application", "vnd.oasis.opendocument.presentation"},
    {"ods", "application", "vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application", "vnd.oasis.opendocument.text"},
    {"ogg", "audio", "ogg"},
    {"patch", "text", "x-diff"},
    {"pdf", "application", "pdf"},
    {"png", "image", "png"},
    {"ppt", "application", "vnd.ms-powerpoint"},
    {"pptx", "application", "vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"rtf", "application", "rtf"},
    {"svg", "image", "svg+xml"},
    {"tar", "application", "x-tar"},
    {"tif", "image", "tiff"},
    {"tiff", "image", "tiff"},
    {"txt", "text", "plain"},
    {"vcf", "text", "vcard"},
    {"wav", "audio", "wav"},
    {"webm", "video", "webm"},
    {"webp", "image", "webp"},
    {"xls", "application", "vnd.ms-excel"},
    {"xlsx", "application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application", "xml"},
    {"xz", "application", "x-xz"},
    {"zip", "application", "zip"},
    {"zst", "application", "zstd"},
};

static void set_type(GMimePart *part, const char *name)
{
    const char *dot = strrchr(name, '.'), *type = "application", *subtype = "octet-stream";
    _cleanup_(gobject_p) GMimeContentType *content_type = NULL;

    for (size_t i = 0; dot && i < ELEMENTSOF(content_types); i++)
        if (text_equal_nocase(dot + 1, content_types[i].extension))
            type = content_types[i].type, subtype = content_types[i].subtype;
    content_type = g_mime_content_type_new(type, subtype);
    g_mime_object_set_content_type(GMIME_OBJECT(part), content_type);
}

static void set_content(GMimePart *part, const char *data, size_t n, GMimeContentEncoding encoding)
{
    _cleanup_(gobject_p) GMimeStream *stream = g_mime_stream_mem_new_with_buffer(data, n);
    _cleanup_(gobject_p) GMimeDataWrapper *content =
        g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);

    g_mime_part_set_content(part, content);
    g_mime_part_set_content_encoding(part, encoding);
}

/* Names in other characters than ASCII go out in UTF-8 (RFC 2231), not in what GMime finds
 * shortest. */
static void set_parameter_charset(GMimeParamList *list, const char *name)
{
    GMimeParam *parameter = list ? g_mime_param_list_get_parameter(list, name) : NULL;

    if (parameter)
        g_mime_param_set_charset(parameter, "utf-8");
}

static void set_file_name(GMimePart *part, const char *name)
{
    _cleanup_(gfree_p) char *shown = g_filename_display_name(name);
    GMimeObject *object = GMIME_OBJECT(part);

    g_mime_object_set_disposition(object, GMIME_DISPOSITION_ATTACHMENT);
    g_mime_part_set_filename(part, shown);
    set_parameter_charset(
        g_mime_content_type_get_parameters(g_mime_object_get_content_type(object)), "name");
    set_parameter_charset(
        g_mime_content_disposition_get_parameters(g_mime_object_get_content_disposition(object)),
        "filename");
}

static int add_attachment(GMimeMultipart *multipart, const char *path, Failure *f)
{
    _cleanup_(gobject_p) GMimePart *part = NULL;
    _cleanup_buffer_ Buffer content = {0};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int r = file_load(AT_FDCWD, path, ATTACHMENT_MAX, &content);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return failure_set(f, -EBADMSG, ERROR_ATTACHMENT, "cannot read the attachment %s: %s", path,
            r == -EFBIG ? "it is larger than 1 GiB" : strerrordesc_np(-r));
    part = g_mime_part_new();
    set_type(part, name);
    if (g_mime_content_type_is_type(
            g_mime_object_get_content_type(GMIME_OBJECT(part)), "text", "*") &&
        text_is_utf8(buffer_data(&content), buffer_size(&content)))
        g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
    set_file_name(part, name);
    set_content(part, buffer_size(&content) > 0 ? buffer_data(&content) : "", buffer_size(&content),
        GMIME_CONTENT_ENCODING_BASE64);
    g_mime_multipart_add(multipart, GMIME_OBJECT(part));
    return 0;
}

/* The plainest encoding that brings the text over unchanged. */
static GMimeContentEncoding choose_encoding(const char *text, size_t n)
{
    if (memchr(text, '\r', n))
        return GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
    for (const char *line = text; *line; line += *line == '\n') {
        size_t length = strcspn(line, "\n");

        if (length > LINE_MAX_BYTES)
            return GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
        line += length;
    }
    return text_is_ascii(text, n) ? GMIME_CONTENT_ENCODING_7BIT : GMIME_CONTENT_ENCODING_8BIT;
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

static int make_text(const char *text, GMimeObject **ret, Failure *f)
{
    _cleanup_buffer_ Buffer lines = {0};
    GMimePart *part;
    int r;

    if (!text_is_utf8(text, strlen(text)))
        return failure_set(f, -EBADMSG, ERROR_CHARSET,
            "the text of the message is not UTF-8; convert it, for instance with iconv");
    r = compose_body_put_raw(text, &lines);
    if (r == 0)
        r = buffer_append(&lines, "", 1);
    if (r < 0)
        return r;
    part = g_mime_part_new_with_type("text", "plain");
    g_mime_object_set_content_type_parameter(
        GMIME_OBJECT(part), "charset", text_is_ascii(text, strlen(text)) ? "us-ascii" : "utf-8");
    set_content(part, buffer_data(&lines), buffer_size(&lines) - 1,
        choose_encoding(buffer_data(&lines), buffer_size(&lines) - 1));
    *ret = GMIME_OBJECT(part);
    return 0;
}

int compose_body_new(
    const char *text, const char *const *attachments, ComposeBody **ret, Failure *f)
{
    _cleanup_(gobject_p) GMimeObject *text_part = NULL;
    _cleanup_(compose_body_free_p) ComposeBody *body = calloc(1, sizeof(*body));
    GMimeMultipart *multipart;
    int r;

    if (!body)
        return -ENOMEM;
    r = make_text(text, &text_part, f);
    if (r < 0)
        return r;
    if (attachments && attachments[0]) {
        multipart = g_mime_multipart_new_with_subtype("mixed");
        body->root = GMIME_OBJECT(multipart);
        g_mime_multipart_add(multipart, text_part);
        for (size_t i = 0; attachments[i]; i++) {
            r = add_attachment(multipart, attachments[i], f);
            if (r < 0)
                return r;
        }
    } else {
        body->root = TAKE_PTR(text_part);
    }
    *ret = TAKE_PTR(body);
    return 0;
}

int compose_body_put(ComposeBody *body, Buffer *out)
{
    _cleanup_(gobject_p) GMimeStream *stream = g_mime_stream_mem_new();
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    int r = buffer_append_string(out, "MIME-Version: 1.0\n");

    if (g_mime_object_write_to_stream(body->root, NULL, stream) < 0)
        return -ENOMEM;
    return r < 0 ? r : buffer_append(out, bytes->data, bytes->len);
}

void compose_body_free(ComposeBody *body)
{
    if (!body)
        return;
    gobject_p(&body->root);
    free(body);
}
