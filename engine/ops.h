// Every operation.
#pragma once

#include "engine/ops/adamw/adamw.h"
#include "engine/ops/attention/attention.h"
#include "engine/ops/attention_block/attention_block.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/conv2d/conv2d.h"
#include "engine/ops/dropout/dropout.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/embedding/embedding.h"
#include "engine/ops/group_norm/group_norm.h"
#include "engine/ops/linear/linear.h"
#include "engine/ops/matmul/matmul.h"
#include "engine/ops/mse/mse.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/ops/resnet_block/resnet_block.h"
#include "engine/ops/softmax/softmax.h"
#include "engine/ops/upsample/upsample.h"
