/* Lists of messages. */
#include "database/held.h"
#include "database/source_state.h"

void database_list_init(DatabaseList *list)
{
    *list = (DatabaseList){.last = &list->first};
}

void database_list_add(DatabaseList *list, DatabaseMessage *message)
{
    message->next = NULL;
    *list->last = message;
    list->last = &message->next;
    list->n++;
}

DatabaseMessage *database_list_take(DatabaseList *list)
{
    DatabaseMessage *message = list->first;

    if (message)
        (void)database_list_remove(list, message);
    return message;
}

bool database_list_remove(DatabaseList *list, const DatabaseMessage *message)
{
    for (DatabaseMessage **at = &list->first; *at; at = &(*at)->next) {
        if (*at != message)
            continue;
        *at = message->next;
        if (!*at)
            list->last = at;
        list->n--;
        return true;
    }
    return false;
}
