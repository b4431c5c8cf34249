/*
 * connector/who.h - who may call a route of the management listener: its `who` column, decided by mgmt_authorise
 */
#pragma once

enum who { W_PUBLIC, W_KEY };
