#include "bus/robust.h"

#include <string.h>

int robust_mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int error;

    memset(mutex, 0, sizeof *mutex);
    error = pthread_mutexattr_init(&attributes);
    if (error != 0)
        return -error;
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (error == 0)
        error = pthread_mutex_init(mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    return -error;
}
