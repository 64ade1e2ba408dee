/* Moves COUNT prepared messages from one directory to another by rename, as programs that queue
 * mail do: arrive FROM TO COUNT. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int from, to, count;
    char name[32];

    if (argc != 4)
        return EXIT_FAILURE;
    from = open(argv[1], O_RDONLY | O_DIRECTORY);
    to = open(argv[2], O_RDONLY | O_DIRECTORY);
    count = atoi(argv[3]);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "m%07d.queued", i);
        if (renameat(from, name, to, name) < 0)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
