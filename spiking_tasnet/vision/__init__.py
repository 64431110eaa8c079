"""Classification and reconstruction of images with spiking networks.

Data:
corpora       stage 0: MNIST, CIFAR-10, ImageNet
data          batches, split, augmentation

Training:
config        an experiment's settings
networks      the paper's networks as convertible layers
module        the LightningModule
methods       what is compared, by name
deciding      which settings decide which result
train         stages 1 to 3: the ANN, its conversion, the baselines

Results:
evaluate      stage 4: scores, operations
report        stage 5: tables; curves: learning curves
"""
