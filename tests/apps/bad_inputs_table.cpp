#include "tests/apps/bad_inputs.h"

namespace lull::test {
namespace {

// For root, whom no permission stops, lull runs as nobody.
const std::string kAsNobody =
    "[ \"$(id -u)\" != 0 ] || lull() { setpriv --reuid=65534 --regid=65534 --clear-groups \"$(command -v env)\" lull \"$@\"; }";
const std::string kFullDisk = "ulimit -f 8";    // blocks of 512 bytes

const BadInputs kCommandLine{
    "The command line",
    {
        {"no command", "lull", "expected a command; lull help lists them"},
        {"an unknown command", "lull trian", "unknown command 'trian'; did you mean 'train'? (lull help lists the commands)"},
        {"help for a command of a command that has none", "lull help train sample",
         "unexpected argument 'sample'; lull train has no commands of its own"},
        {"an option of the program", "lull train --version", "--version: expected before the command: lull --version"},
        {"a number for a switch", "lull sample run --trajectory=2", "--trajectory: expected true or false, got '2'"},
        {"a value for help", "lull sample --help=3", "--help: takes no value"},
        {"nothing for a file", "lull sample run --save ''", "--save: expected a value, got nothing"},
        {"nothing for a folder", "lull export run ''", "DIR: expected a value, got nothing"},
        {"an option of another sampler", "lull sample run --sampler lms --S-churn 40",
         "--S-churn: does nothing with --sampler lms, only with heun"},
        {"an option that needs another", "lull sample run --S-noise 1.003", "--S-noise: does nothing without --S-churn"},
        {"grey and coloured", "lull train --grey --colour", "--grey: excludes --colour; give one of them"},
        {"help for an unknown command", "lull help smaple",
         "unknown command 'smaple'; did you mean 'sample'? (lull help lists the commands)"},
        {"an unknown option", "lull train --stpes 3", "unknown option '--stpes'; did you mean '--steps'?"},
        {"an option before the command", "lull --quiet train", "--quiet: expected after the command: lull train --quiet"},
        {"an argument too many", "lull train 3", "unexpected argument '3'"},
        {"an option without its value", "lull train --steps", "--steps: expected a value"},
        {"a command's command that is missing", "lull data", "expected a command; lull help data lists them"},
        {"a command's command that is unknown", "lull data stast",
         "unknown command 'stast'; did you mean 'stats'? (lull help data lists the commands)"},
        {"no model", "lull sample", "expected lull sample MODEL [OPTIONS]"},
        {"a value for a switch", "lull train --xflip=perhaps", "--xflip: expected true or false, got 'perhaps'"},
        {"an unknown preset", "lull train --preset s61", "--preset: unknown preset 's61'; did you mean 's16'? (s16, m32, tiny)"},
        {"an unknown device", "lull train --device gpu", "--device: unknown device 'gpu'; did you mean 'cpu'? (cpu, cuda)"},
        {"an unknown sampler", "lull sample run --sampler huen",
         "--sampler: unknown sampler 'huen'; did you mean 'heun'? (euler, ancestral, heun, lms, ddim)"},
        {"unknown weights", "lull sample run --weights averaged", "--weights: unknown weights 'averaged' (ema, raw)"},
        {"an unknown shell", "lull completion basch", "SHELL: unknown shell 'basch'; did you mean 'bash'? (bash, zsh, fish)"},
    }};

const BadInputs kNumbers{
    "Numbers",
    {
        {"no steps", "lull train --steps 0", "--steps: expected a whole number, at least 1, got '0'"},
        {"steps that are no number", "lull train --steps many", "--steps: expected a whole number, at least 1, got 'many'"},
        {"more steps than can be", "lull train --steps 9223372036854775807",
         "--steps: expected a whole number from 1 to 1000000000000, got '9223372036854775807'"},
        {"a seed of more than 64 bits", "lull train --seed 18446744073709551616",
         "--seed: expected a whole number from 0 to 18446744073709551615, got '18446744073709551616'"},
        {"a fraction of a step", "lull train --steps 1.5", "--steps: expected a whole number, at least 1, got '1.5'"},
        {"steps and minutes", "lull train --steps 3 --minutes 1", "--steps: excludes --minutes; give one of them"},
        {"negative minutes", "lull train --minutes -1", "--minutes: expected a number above 0, got '-1'"},
        {"an empty batch", "lull train --batch 0", "--batch: expected a whole number from 1 to 65536, got '0'"},
        {"a batch beyond all bounds", "lull train --batch 1000000000",
         "--batch: expected a whole number from 1 to 65536, got '1000000000'"},
        {"a learning rate of 0", "lull train --lr 0", "--lr: expected a number above 0, got '0'"},
        {"a learning rate that is no number", "lull train --lr nan", "--lr: expected a number above 0, got 'nan'"},
        {"a decay of 1", "lull train --ema 1", "--ema: expected a number from 0 to below 1, got '1'"},
        {"a stop after the last step", "lull train --steps 3 --stop-after 5", "--stop-after: expected at most --steps 3, got 5"},
        {"noise beyond all bounds", "lull train --P-mean 90", "--P-mean: expected a number from -10 to below 10, got '90'"},
        {"noise levels that vary too much", "lull train --P-std 50", "--P-std: expected a number from 0.01 to below 5, got '50'"},
        {"no threads", "lull train --threads 0", "--threads: expected a whole number from 1 to 4096, got '0'"},
        {"no sampler steps", "lull sample run --steps 0", "--steps: expected a whole number from 1 to 1000000, got '0'"},
        {"σ_min above σ_max", "lull sample run --sigma-min 90", "--sigma-min: expected less than --sigma-max 80, got 90"},
        {"σ_min equal to σ_max", "lull sample run --sigma-min 2 --sigma-max 2",
         "--sigma-min: expected less than --sigma-max 2, got 2"},
        {"a negative σ", "lull sample run --sigma-min -1", "--sigma-min: expected a number above 0, got '-1'"},
        {"an infinite σ", "lull sample run --sigma-max inf", "--sigma-max: expected a number above 0, got 'inf'"},
        {"an order that LMS does not have", "lull sample run --sampler lms --order 5",
         "--order: expected a whole number from 1 to 4, got '5'"},
        {"churn between no noise levels", "lull sample run --S-churn 40 --S-min 2 --S-max 1",
         "--S-min: expected at most --S-max 1, got 2"},
        {"no seeds", "lull sample run --seeds ''", "--seeds: expected a value, got nothing"},
        {"a range of seeds backwards", "lull sample run --seeds 5-3",
         "--seeds: expected numbers and ranges such as 0-63 or 0-7,12, got '5-3'"},
        {"a seed below 0", "lull sample run --seeds=-1", "--seeds: expected numbers and ranges such as 0-63 or 0-7,12, got '-1'"},
        {"more seeds than memory", "lull sample run --seeds 0-99999999999",
         "--seeds: expected at most 1000000 seeds, got '0-99999999999'"},
        {"an image without pixels", "lull sample run --image-size 0",
         "--image-size: expected pixels, such as 32, or width and height, such as 48x32, got '0'"},
        {"an image that the network cannot halve", "lull sample run --image-size 31",
         "--image-size: expected multiples of 2 for this network of 2 levels, got 31×31"},
        {"an image beyond all bounds", "lull sample run --image-size 100000",
         "--image-size: expected at most 65536 pixels wide and high, got '100000'"},
        {"σ_data for a model that knows its own", "lull sample run --sigma-data 1",
         "--sigma-data: cannot be given for this model, which says with what it was trained"},
    }};

const BadInputs kSettings{
    "Settings files",
    {
        {"no such file", "lull train --config nowhere.toml", "nowhere.toml: no such file"},
        {"a folder", "lull train --config data", "data: not a regular file"},
        {"a picture", "lull train --config binary.toml", "binary.toml: is no text: expected TOML, key = value on each line"},
        {"JSON", "lull train --config settings.json", "settings.json: line 1: expected key = value"},
        {"a table", "lull train --config table.toml",
         "table.toml: line 1: tables are not used here; write every setting as key = value, before any [table]"},
        {"an unknown key", "lull train --config unknown-key.toml",
         "unknown-key.toml: unknown key 'stpes'; did you mean 'steps'?"},
        {"a value that the flag would not take", "lull train --config bad-value.toml",
         "bad-value.toml: steps: expected a whole number, at least 1, got '0'"},
        {"an unknown name", "lull train --config bad-name.toml",
         "bad-name.toml: preset: unknown preset 's61'; did you mean 's16'? (s16, m32, tiny)"},
        {"a string without its end", "lull train --config open.toml", "open.toml: line 1: expected \" at the string's end"},
        {"a string without quotes", "lull train --config bare.toml",
         "bare.toml: line 1: expected a number, true, false or a string in quotes, got s16"},
        {"a key that is there twice", "lull train --config twice.toml", "twice.toml: line 3: 'steps' is there twice"},
        {"keys that exclude each other", "lull train --config both.toml", "both.toml: minutes: excludes steps; give one of them"},
        {"a key that is no setting", "lull train --config stop.toml", "stop.toml: 'stop_after' can only be a flag: --stop-after"},
        {"a number for a switch", "lull train --config flag.toml", "flag.toml: xflip: expected true or false, got '1'"},
    }};

const BadInputs kData{
    "Data",
    {
        {"a folder without a name", "lull train --data \"$PICTURES\"", "--data: expected a folder or a file, got ''"},
        {"no such folder", "lull train --data nowhere", "nowhere: no such file or folder", 1},
        {"an empty folder", "lull train --data empty",
         "empty: no data set here: expected IDX files named as MNIST's (train-images-idx3-ubyte, .gz or not), CIFAR-10's binary "
         "version (data_batch_1.bin and others), or PNG pictures, in the folder itself or in one folder per class",
         1},
        {"a file that ends too soon", "lull train --data truncated-data",
         "truncated-data/train-images-idx3-ubyte: truncated: header says (40, 28, 28), 31,360 bytes, file has 15,672", 1},
        {"a file of another kind", "lull train --data foreign-data", "foreign-data/train-images-idx3-ubyte: not an IDX file", 1},
        {"damaged compression", "lull train --data corrupt-data",
         "corrupt-data/train-images-idx3-ubyte.gz: damaged: the gzip stream is corrupt", 1},
        {"fewer labels than images", "lull train --data fewer-labels",
         "fewer-labels/train-labels-idx1-ubyte: expected 40 labels, got 39", 1},
        {"a part that the data does not have", "lull train --data pictures --split test", "--split: pictures has no test part"},
        {"images without height and width", "lull train --data flat-data",
         "flat-data/train-images-idx3-ubyte: expected images (N, H, W) or (N, H, W, 1 or 3), got (40, 784)", 1},
        {"no images in the file", "lull train --data no-images",
         "no-images/train-images-idx3-ubyte: has no images: (0, 28, 28, 1)", 1},
        {"broken pictures", "lull train --data broken-pictures",
         "broken-pictures/2.png: damaged: read beyond end of data (and 1 more); --skip-broken leaves such files out", 1},
        {"no pictures but JPEGs", "lull train --data jpegs",
         "jpegs: has no PNG pictures but 2 JPEG files, which must be converted; ImageMagick does it, for instance: mogrify "
         "-format png FOLDER/*.jpg",
         1},
        {"one picture instead of its folder", "lull train --data pictures/1.png",
         "pictures/1.png: is one picture; expected the folder that has them", 1},
        {"pictures of a size that the network cannot halve", "lull train --data pictures --size 30",
         "--size: expected multiples of 4 for this network of 3 levels, got 30×30; --size 32 will do"},
        {"classes of pictures that have none", "lull train --data pictures --conditional",
         "--conditional: expected images with classes; pictures has none"},
        {"an unknown way to fit", "lull train --data pictures --fit strech",
         "--fit: unknown way to fit 'strech'; did you mean 'stretch'? (crop, pad, stretch)"},
        {"a CIFAR-10 file that ends within an image", "lull train --data truncated-cifar",
         "truncated-cifar/data_batch_2.bin: not CIFAR-10's binary version, or truncated: expected records of 3,073 bytes, got "
         "4,073 bytes",
         1},
        {"a CIFAR-10 file of another kind", "lull train --data foreign-cifar",
         "foreign-cifar/data_batch_3.bin: not CIFAR-10, or damaged: image 0 has label 10, expected 0 to 9", 1},
        {"CIFAR-10 without one of its files", "lull train --data lacking-cifar",
         "lacking-cifar/data_batch_4.bin: no such file; CIFAR-10 has data_batch_1.bin to data_batch_5.bin and test_batch.bin "
         "(one file alone can be named, too)",
         1},
        {"a sheet of pictures among the pictures", "lull data stats pictures --outdir pictures/sheets",
         "--outdir: expected a folder outside pictures, of whose pictures the sheet would become one"},
        {"data given twice", "lull data stats pictures --data data", "PATH: excludes --data; give one of them"},
        {"statistics of nothing", "lull data stats nowhere", "nowhere: no such file or folder", 1},
    }};

const BadInputs kModels{
    "Models",
    {
        {"no such run", "lull sample nowhere", "nowhere: no such run, checkpoint or diffusers folder", 1},
        {"a folder without a model", "lull sample empty",
         "empty: no checkpoint.safetensors and no diffusion_pytorch_model.safetensors in this folder", 1},
        {"a folder with PyTorch's own format", "lull sample pytorch",
         "pytorch: no checkpoint.safetensors and no diffusion_pytorch_model.safetensors in this folder; it has "
         "diffusion_pytorch_model.bin: save the model as one safetensors file of float32 with diffusers' save_pretrained",
         1},
        {"a diffusers folder of another network", "lull sample diffusers",
         "diffusers/config.json: [unet] _class_name: expected UNet2DModel, got \"UNet2DConditionModel\"", 1},
        {"an empty file", "lull sample empty.safetensors", "empty.safetensors: not a safetensors file: it has only 0 bytes", 1},
        {"a text file", "lull sample text.safetensors",
         "text.safetensors: not a safetensors file, or its header is too large: 7,521,891,404,167,278,446 bytes, at most "
         "100,000,000 are allowed",
         1},
        {"a file that ends too soon", "lull sample truncated.safetensors",
         "truncated.safetensors: truncated: header says 79 bytes, file has 71", 1},
        {"a header that is longer than the file", "lull sample long-header.safetensors",
         "long-header.safetensors: not a safetensors file, or its header is too large: 9,223,372,036,854,775,807 bytes, at most "
         "100,000,000 are allowed",
         1},
        {"one bit that is not as it was written", "lull sample damaged.safetensors",
         "damaged.safetensors: is damaged: its contents do not have the checksum that was written with them", 1},
        {"a training state", "lull sample run/training_state.safetensors",
         "run/training_state.safetensors: is a training state; name the run's folder", 1},
        {"tensors without a description", "lull sample foreign.safetensors",
         "foreign.safetensors: expected 'config' in the metadata, as lull writes it, or diffusers' config.json beside the file",
         1},
        {"a damaged description", "lull sample broken-config.safetensors",
         "broken-config.safetensors: 'config' in the metadata is not JSON", 1},
        {"a description of something else", "lull sample no-model.safetensors",
         "no-model.safetensors: [model] no \"model\" in the file's description", 1},
        {"a tensor of another shape", "lull sample ema.shape.safetensors",
         "ema.shape.safetensors: [checkpoint] ema.conv_in.weight: expected (8, 1, 3, 3), got (8, 3, 3, 3)", 1},
        {"a tensor of another shape among the raw weights", "lull sample shape.safetensors --weights raw",
         "shape.safetensors: [checkpoint] conv_in.weight: expected (8, 1, 3, 3), got (8, 3, 3, 3)", 1},
        {"a tensor that is missing", "lull sample lacking.safetensors --weights raw",
         "lacking.safetensors: [checkpoint] there is no tensor 'conv_in.weight'", 1},
        {"an average that is missing", "lull sample ema.lacking.safetensors",
         "ema.lacking.safetensors: [checkpoint] there is no tensor 'ema.conv_in.weight'", 1},
    }};

const BadInputs kDenoising{
    "Denoising",
    {
        {"no noise levels", "lull denoise run --sigma ''", "--sigma: expected a value, got nothing"},
        {"a noise level of 0", "lull denoise run --sigma 0,1", "--sigma: expected numbers above 0 such as 0.02,0.3,1, got '0,1'"},
        {"a noise level that is no number", "lull denoise run --sigma much",
         "--sigma: expected numbers above 0 such as 0.02,0.3,1, got 'much'"},
        {"no images", "lull denoise run --count 0", "--count: expected a whole number from 1 to 1000000, got '0'"},
        {"an image that the data does not have", "lull denoise run --data data --split train --index 40",
         "--index: expected numbers of images below 40, got 40"},
        {"labels for a model without classes", "lull denoise run --data data --split train --labels 3",
         "--labels: this model knows no classes"},
        {"no such input", "lull denoise run --input nowhere.safetensors", "nowhere.safetensors: no such file", 1},
        {"an input without a tensor x", "lull denoise run --input foreign.safetensors", "foreign.safetensors: has no tensor 'x'",
         1},
        {"an input of another shape", "lull denoise run --input wide.safetensors",
         "wide.safetensors: expected 'x' as f32 (N, 1, 32, 32), got f32 (2, 3, 32, 32)", 1},
        {"an output that exists", "lull denoise run --data data --split train --save a-file",
         "a-file: exists; choose another name for --save", 1},
    }};

const BadInputs kRuns{
    "Runs to go on with",
    {
        {"no such run", "lull train --resume nowhere", "nowhere: no such run", 1},
        {"a run that is finished", "lull train --resume run --data data", "run: is finished: 4 of 4 steps", 1},
        {"no training state", "lull train --resume no-state --data data", "no-state/training_state.safetensors: no such file", 1},
        {"a training state that ends too soon", "lull train --resume truncated-state --data data",
         "truncated-state/training_state.safetensors: truncated: the header alone takes … bytes, file has …", 1},
        {"a training state of another kind", "lull train --resume foreign-state --data data",
         "foreign-state/training_state.safetensors: not a safetensors file, or its header is too large: "
         "8,247,252,419,150,638,958 bytes, at most 100,000,000 are allowed",
         1},
        {"a setting that the run has already", "lull train --resume half --lr 1",
         "--lr: cannot be given with --resume: the run keeps its settings"},
        {"a variable of the shell that is not set", "lull train --resume \"$RUN\"",
         "--resume: expected the folder of a run, got ''"},
        {"a dry run of a run", "lull train --resume half --dry-run",
         "--dry-run: cannot be given with --resume, which has nothing to resolve; lull inspect RUN shows the run's settings"},
        {"a run that was never saved", "lull train --resume begun",
         "begun: ended before its first checkpoint, so that nothing was saved; start it again: lull train --config "
         "begun/config.toml --outdir ANOTHER_FOLDER",
         1},
        {"a training state of another run", "lull train --resume other-state --data data",
         "other-state/training_state.safetensors: belongs to another run than checkpoint.safetensors beside it", 1},
        {"other data", "lull train --resume half --data other-data",
         "half: was trained on other data: on 40 images of 32×32 in grey, this is 40 images of 32×32 in grey, but not the same "
         "ones; --data names the folder, if it was moved",
         1},
    }};

const BadInputs kNoiseLevels{
    "Noise-level predictors",
    {
        {"an unknown target", "lull noise-level train --target logits",
         "--target: unknown target 'logits'; did you mean 'logit'? (logit, alpha-bar, ln-sigma)"},
        {"levels of another target", "lull noise-level train --sigma-min 0.1",
         "--sigma-min: does nothing with --target logit, only with ln-sigma"},
        {"levels that are none", "lull noise-level train --target ln-sigma --sigma-min 100",
         "--sigma-min: expected less than --sigma-max 80, got 100"},
        {"a range from high to low", "lull noise-level train --data data --range-low 1",
         "--range-low: expected less than the range's high end 0.5, got 1"},
        {"no such predictor", "lull noise-level eval nowhere", "nowhere: no such run, checkpoint or diffusers folder", 1},
        {"a model where a predictor should be", "lull sample run --blind run",
         "run/checkpoint.safetensors: is no noise-level predictor; lull noise-level train makes one", 1},
        {"a predictor where a model should be", "lull sample level",
         "level/checkpoint.safetensors: [model] is a noise-level predictor, which draws nothing; lull sample MODEL --blind takes "
         "it",
         1},
        {"a predictor for images of another size", "lull sample run --blind small-level --quiet",
         "small-level/checkpoint.safetensors: is for images of (8, 8, 1), the model's are (32, 32, 1)", 1},
        {"a run of the other command", "lull train --resume level",
         "level: is a run of another command; to go on: lull noise-level train --resume level", 1},
        {"a folder with such a run in it", "lull train --data data --outdir level",
         "level: has a run already; choose another --outdir, or go on with it: lull noise-level train --resume level", 1},
        {"an option of blind sampling", "lull sample run --blind-way denoiser", "--blind-way: does nothing without --blind"},
        {"adaptive steps of another sampler", "lull sample run --blind level --blind-way adaptive",
         "--blind-way: adaptive is a way of --sampler euler on --grid karras"},
        {"DDIM's noise with another sampler", "lull sample run --blind level --blind-noise half",
         "--blind-noise: does nothing but with --sampler ddim, resynchronised"},
        {"an end that another way does not have", "lull sample run --blind level --blind-way denoiser --no-finish",
         "--no-finish: does nothing with --blind-way denoiser"},
        {"a judge of nothing", "lull sample run --judge level", "--judge: does nothing without --explain"},
    }};

const BadInputs kOutputs{
    "Outputs",
    {
        {"a dry run into a folder with something in it", "lull train --data data --dry-run --outdir full-folder",
         "full-folder: exists and is not empty; choose another --outdir", 1},
        {"a folder without a name", "lull train --data data --outdir \"$OUT\"", "--outdir: expected a folder, got ''"},
        {"a folder with a run in it", "lull train --data data --outdir half",
         "half: has a run already; choose another --outdir, or go on with it: lull train --resume half", 1},
        {"a folder with a run that was never saved", "lull train --data data --outdir begun",
         "begun: has a run that was never saved; choose another --outdir, or remove it if that run has ended", 1},
        {"a folder with something in it", "lull train --data data --outdir full-folder",
         "full-folder: exists and is not empty; choose another --outdir", 1},
        {"a file where the folder should be", "lull train --data data --outdir a-file", "a-file: is no folder", 1},
        {"a folder that may not be written", "lull train --data data --preset tiny --steps 1 --quiet --outdir read-only/new",
         "read-only/new: cannot make this folder: Permission denied", 1, kAsNobody},
        {"samples into such a folder", "lull sample run --quiet --outdir read-only",
         "read-only: cannot write into this folder: Permission denied", 1, kAsNobody},
        {"a file that exists", "lull sample run --save a-file", "a-file: exists; choose another name for --save", 1},
        {"a file in no folder", "lull sample run --save nowhere/images.safetensors", "nowhere: no such folder", 1},
        {"a full disk while training", "lull train --data data --preset tiny --steps 2 --quiet --outdir new",
         "new/checkpoint.safetensors: cannot be written: File too large; no checkpoint was written yet", 1, kFullDisk, "new"},
        {"a full disk while sampling", "lull sample run --seeds 0-63 --steps 1 --quiet --save images.safetensors",
         "images.safetensors: cannot be written: File too large", 1, kFullDisk},
        {"a full disk behind standard output", "lull help train >/dev/full", "cannot write to standard output", 1},
        {"a closed standard output", "lull help train >&-", "cannot write to standard output", 1},
    }};

const BadInputs kOutOfHand{
    "What turns bad on the way",
    {
        {"too little memory (1.5 GB)", "lull train --data data --batch 4096 --quiet --outdir new",
         "[memory] out of memory: … MiB wanted, … MiB in use; smaller batches, images or networks need less", 1,
         "ulimit -v 1500000", "new"},
        {"a loss that is not a number",
         "lull train --data data --preset tiny --batch 4 --steps 50 --sample-count 0 --lr 1e30 --eps 1e-30 --quiet --outdir new",
         "[train] step …: the loss is inf; the weights of step … are kept; … of … images have no finite loss, at sigma … to …; "
         "no checkpoint was written yet; a lower --lr often helps",
         1, "", "new"},
        {"the same after a checkpoint",
         "lull train --data data --preset tiny --batch 4 --steps 50 --sample-count 0 --lr 1e30 --eps 1e-30 --save-every 1 "
         "--quiet --outdir new",
         "[train] step …: the loss is inf; the weights of step … are kept; … of … images have no finite loss, at sigma … to …; "
         "new has the checkpoint of step …; a lower --lr often helps",
         1, "", "new"},
        {"an image that is not a number", "lull sample nan.safetensors --seeds 0-3 --steps 2 --quiet",
         "[sample] step 1 of 2, σ 0.002: the image of seed 0 is not finite", 1},
        {"a device that this build does not have", "lull train --device cuda", "--device cuda: this build has no CUDA", 1},
    }};

}    // namespace

const std::vector<BadInputs>& bad_inputs() {
    static const std::vector<BadInputs> all{kCommandLine, kNumbers, kSettings,    kData,    kModels,
                                            kDenoising,   kRuns,    kNoiseLevels, kOutputs, kOutOfHand};
    return all;
}

}    // namespace lull::test
