namespace Atoll.Training.Autodiff;

/// <summary>Settings of the optimiser.</summary>
/// <remarks>Source: Kingma and Ba 2015, Adam; Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization.</remarks>
internal sealed record AdamSettings
{
    public float Beta1 { get; init; } = 0.9f;

    public float Beta2 { get; init; } = 0.999f;

    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Of matrices, per step and unit of learning rate.</summary>
    public float WeightDecay { get; init; }

    /// <summary>What a batch adds to running averages.</summary>
    public float AverageMomentum { get; init; } = 0.1f;
}
