/* The directories of spool.pickup. Must never look at one: that may wait. */
#include "settings/pickup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define BLANKS " "

struct PickupList {
    unsigned references;
    char *text, *words; /* `words`: a copy, cut into what the directories point to */
    PickupDirectory *directories;
    size_t n;
};

PickupList *pickup_list_ref(PickupList *list)
{
    if (list)
        __atomic_add_fetch(&list->references, 1, __ATOMIC_RELAXED);
    return list;
}

PickupList *pickup_list_unref(PickupList *list)
{
    if (!list || __atomic_sub_fetch(&list->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    free(list->text);
    free(list->words);
    free(list->directories);
    free(list);
    return NULL;
}

const char *pickup_list_text(const PickupList *list)
{
    return list->text;
}

const PickupDirectory *pickup_list_directories(const PickupList *list, size_t *ret_n)
{
    *ret_n = list ? list->n : 0;
    return list ? list->directories : NULL;
}

/* Without the blanks around it. */
static char *trim(char *word)
{
    size_t n;

    word += strspn(word, BLANKS);
    n = strlen(word);
    while (n > 0 && strchr(BLANKS, word[n - 1]))
        word[--n] = '\0';
    return word;
}

static int set_path(const PickupList *list, char *word, PickupDirectory *ret, Failure *f)
{
    size_t n = strlen(word);

    if (word[0] != '/')
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has \"%s\" where a directory is to stand, which is a path from / on", word);
    while (n > 1 && word[n - 1] == '/')
        word[--n] = '\0';
    for (size_t i = 0; i < list->n; i++)
        if (text_equal(list->directories[i].path, word))
            return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                "has the directory \"%s\" twice, which is read once", word);
    ret->path = word;
    return 0;
}

static int set_word(char *word, PickupDirectory *ret, Failure *f)
{
    char *value = strchr(word, '=');

    if (value)
        *value++ = '\0';
    word = trim(word);
    value = value ? trim(value) : NULL;
    if (text_equal(word, "dot_stuffed") &&
        (!value || text_equal(value, "true") || text_equal(value, "false"))) {
        ret->dot_stuffed = !value || text_equal(value, "true");
        return 0;
    }
    if (!text_equal(word, "pattern") || !value)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "says \"%s\" of a directory, of which pattern=PATTERN and dot_stuffed can be said",
            word);
    if (!*value || strchr(value, '/'))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has the pattern \"%s\", which is to be one of file names, such as " PICKUP_PATTERN,
            value);
    ret->pattern = value;
    return 0;
}

static int add_directory(PickupList *list, char *text, Failure *f)
{
    PickupDirectory *directory = &list->directories[list->n];
    char *word;
    int r;

    if (!*trim(text))
        return 0;
    *directory = (PickupDirectory){.pattern = PICKUP_PATTERN};
    word = strsep(&text, ",");
    r = set_path(list, trim(word), directory, f);
    while (r == 0 && (word = strsep(&text, ",")))
        r = set_word(word, directory, f);
    if (r == 0)
        list->n++;
    return r;
}

int pickup_list_parse(const char *text, PickupList **ret, Failure *f)
{
    _cleanup_(pickup_list_unref_p) PickupList *list = calloc(1, sizeof(*list));
    char *rest, *directory;
    int r = 0;

    if (!list)
        return -ENOMEM;
    list->references = 1;
    list->text = strdup(text);
    list->words = strdup(text);
    list->directories = calloc(strlen(text) / 2 + 1, sizeof(*list->directories));
    if (!list->text || !list->words || !list->directories)
        return -ENOMEM;
    rest = list->words;
    while (r == 0 && (directory = strsep(&rest, ";")))
        r = add_directory(list, directory, f);
    if (r == 0 && list->n == 0)
        r = failure_set(f, -EINVAL, ERROR_CONFIGURATION, "names no directory");
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}
