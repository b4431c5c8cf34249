/*
 * lib/base/banned.h - functions that this tree does not use; include last
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok gmtime localtime
#pragma GCC poison ctime mktemp atoi atol system popen rand sscanf fscanf scanf
