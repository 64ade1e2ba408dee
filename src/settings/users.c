/* A list of users. Must never have in it who is not named. */
#include "settings/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"

#define SEPARATORS " ,"

struct UserList {
    unsigned references;
    enum { USERS_NAMED, USERS_ALL, USERS_GROUP, USERS_NONE } kind;
    char *text;
    size_t n;
    uid_t users[];
};

UserList *user_list_ref(UserList *list)
{
    if (list)
        __atomic_add_fetch(&list->references, 1, __ATOMIC_RELAXED);
    return list;
}

UserList *user_list_unref(UserList *list)
{
    if (!list || __atomic_sub_fetch(&list->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    free(list->text);
    free(list);
    return NULL;
}

static inline void user_list_unref_p(UserList **list)
{
    (void)user_list_unref(*list);
}

const char *user_list_text(const UserList *list)
{
    return list->text;
}

static int parse_user(const char *word, SenderUserLookup lookup, uid_t *ret, Failure *f)
{
    unsigned long long number;
    int r;

    if (strspn(word, "0123456789") == strlen(word)) {
        number = strtoull(word, NULL, 10);
        *ret = (uid_t)number;
        return number < FILE_OWNER_UNKNOWN ? 0
                                           : failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                                                 "has a number that no user can have: %s", word);
    }
    if (text_equal_nocase(word, "all") || text_equal_nocase(word, "group") ||
        text_equal_nocase(word, "none"))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has \"%s\", which stands alone and in small letters, among users", word);
    r = lookup(word, ret);
    if (r == 0 || r == -ENOMEM)
        return r;
    if (r == -ENOENT)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "names the user \"%s\", whom this system does not know; \"all\" is everybody, "
            "\"group\" the group of the queue directory",
            word);
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
        "names the user \"%s\", who cannot be looked up (%s)", word, strerrordesc_np(-r));
}

int user_list_parse(const char *text, SenderUserLookup lookup, UserList **ret, Failure *f)
{
    UserList *list _cleanup_(user_list_unref_p) =
        calloc(1, sizeof(*list) + (strlen(text) / 2 + 1) * sizeof(list->users[0]));
    _cleanup_free_
    char *words = strdup(text);
    char *rest = NULL;

    if (list) {
        list->references = 1;
        list->text = strdup(text);
    }
    if (!list || !list->text || !words)
        return -ENOMEM;
    list->kind = text_equal(text, "all")     ? USERS_ALL
                 : text_equal(text, "group") ? USERS_GROUP
                 : text_equal(text, "none")  ? USERS_NONE
                                             : USERS_NAMED;
    for (char *word = list->kind == USERS_NAMED ? strtok_r(words, SEPARATORS, &rest) : NULL; word;
         word = strtok_r(NULL, SEPARATORS, &rest)) {
        int r = parse_user(word, lookup, &list->users[list->n], f);

        if (r < 0)
            return r;
        list->n++;
    }
    if (list->kind == USERS_NAMED && list->n == 0)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION, "names nobody; \"none\" says so");
    *ret = TAKE_PTR(list);
    return 0;
}

bool user_list_is_none(const UserList *list)
{
    return !list || list->kind == USERS_NONE;
}

bool user_list_has(const UserList *list, uid_t user, bool is_member)
{
    if (user_list_is_none(list) || list->kind == USERS_ALL)
        return !user_list_is_none(list);
    if (list->kind == USERS_GROUP)
        return is_member;
    for (size_t i = 0; i < list->n; i++)
        if (list->users[i] == user)
            return true;
    return false;
}
