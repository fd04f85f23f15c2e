using Atoll.Training.Autodiff;

namespace Atoll.Training.Networks;

/// <summary>Hands out training samples in batches, in another order each epoch.</summary>
internal interface ITrainingBatches
{
    /// <summary>Samples a step.</summary>
    int Batch { get; }

    int StepsPerEpoch { get; }

    void BeginEpoch(int epoch);

    /// <summary>Fills a shard's inputs for a step of the epoch. Safe for several shards at once.</summary>
    void Fill(NetworkTraining training, int shard, int step);
}
