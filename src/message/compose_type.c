/* The content types of usual endings and beginnings. Must never give a type that cannot be written,
 * nor one of which a file cannot be, whatever the system's file says. */
#include "message/compose_type.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/macros.h"
#include "base/text.h"

#define TYPES_FILE_MAX ((size_t)1024 * 1024)
#define HALF_MAX ((CONTENT_TYPE_MAX - 2) / 2) /* RFC 6838, 4.2 */

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
    {"eml", "message/rfc822"},
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

/* ---- the system's endings ---- */

void types_file_done(TypesFile *file)
{
    buffer_done(&file->text);
}

/* Once; a line each, with a NUL at its end. */
static void read_types(TypesFile *file)
{
    Buffer *text = &file->text;

    if (file->was_read)
        return;
    file->was_read = true;
    if (file_load(AT_FDCWD, file->path ?: MIME_TYPES_FILE, TYPES_FILE_MAX, text) < 0 ||
        buffer_append(text, "\n", 1) < 0) {
        buffer_clear(text);
        return;
    }
    for (char *at = text->memory + text->start, *end = at + buffer_size(text); at < end; at++)
        if (*at == '\n')
            *at = '\0';
}

static size_t token_length(const char *text)
{
    size_t n = 0;

    while (text_is_alphanumeric(text[n]) || (text[n] && strchr("!#$&^_.+-", text[n])))
        n++;
    return n;
}

/* A type that a file can be of: several parts it cannot have, nor be a message that nobody looked
 * at. How long it is; 0: it is none. */
static size_t type_length(const char *text)
{
    size_t n = token_length(text), more = text[n] == '/' ? token_length(text + n + 1) : 0;

    if (n == 0 || n > HALF_MAX || more == 0 || more > HALF_MAX || *text == '#' ||
        text_starts_nocase(text, "multipart/") || text_starts_nocase(text, "message/"))
        return 0;
    return n + 1 + more;
}

/* Whether one of the words is the ending. */
static bool has_ending(const char *words, const char *ending)
{
    size_t n_ending = strlen(ending), n;

    for (; *words; words += n) {
        words += strspn(words, " \t\r");
        n = strcspn(words, " \t\r");
        if (n == n_ending && text_starts_nocase(words, ending))
            return true;
    }
    return false;
}

/* In lines "type/subtype ending ending". */
static const char *find_in_file(const char *ending, TypesFile *file)
{
    const char *line, *end;

    read_types(file);
    if (buffer_size(&file->text) == 0)
        return NULL;
    line = buffer_data(&file->text);
    end = line + buffer_size(&file->text);
    for (; line < end; line += strlen(line) + 1) {
        size_t n = type_length(line);

        if (n == 0 || !line[n] || !strchr(" \t", line[n]) || !has_ending(line + n, ending))
            continue;
        memcpy(file->found, line, n);
        file->found[n] = '\0';
        return file->found;
    }
    return NULL;
}

const char *content_type_of_name(const char *name, TypesFile *file)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ELEMENTSOF(content_types); i++)
        if (text_equal_nocase(dot + 1, content_types[i].extension))
            return content_types[i].type;
    return dot && dot > name && dot[1] ? find_in_file(dot + 1, file) : NULL;
}

/* ---- what is in it ---- */

/* Formats that say what they are by bytes that no text begins with, but for "%PDF-". */
static const struct {
    const char *type;
    size_t at, n;
    const char *bytes;
} beginnings[] = {
    {"application/pdf", 0, 5, "%PDF-"},
    {"image/png", 0, 8, "\x89PNG\r\n\x1a\n"},
    {"image/jpeg", 0, 3, "\xff\xd8\xff"},
    {"image/gif", 0, 6, "GIF87a"},
    {"image/gif", 0, 6, "GIF89a"},
    {"image/tiff", 0, 4, "II*\0"},
    {"image/tiff", 0, 4, "MM\0*"},
    {"image/webp", 8, 4, "WEBP"},
    {"audio/wav", 8, 4, "WAVE"},
    {"audio/ogg", 0, 5, "OggS\0"},
    {"application/zip", 0, 4, "PK\3\4"},
    {"application/gzip", 0, 3, "\x1f\x8b\x08"},
    {"application/x-xz", 0, 6,
        "\xfd"
        "7zXZ\0"},
    {"application/zstd", 0, 4, "\x28\xb5\x2f\xfd"},
    {"application/x-bzip2", 4, 6, "1AY&SY"},
    {"application/x-7z-compressed", 0, 6, "7z\xbc\xaf\x27\x1c"},
    {"application/x-tar", 257, 5, "ustar"},
};

const char *content_type_of_start(const char *data, size_t n)
{
    bool is_riff = n >= 4 && memcmp(data, "RIFF", 4) == 0;

    for (size_t i = 0; i < ELEMENTSOF(beginnings); i++) {
        bool in_riff = beginnings[i].at == 8;

        if (n >= beginnings[i].at + beginnings[i].n && (!in_riff || is_riff) &&
            memcmp(data + beginnings[i].at, beginnings[i].bytes, beginnings[i].n) == 0)
            return beginnings[i].type;
    }
    return NULL;
}

bool content_may_be_text(const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)data[i] < ' ' && (!data[i] || !strchr("\t\n\r\f", data[i]))) ||
            data[i] == 0x7f)
            return false;
    return n > 0;
}
