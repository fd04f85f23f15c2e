namespace Atoll.Training.Trees;

/// <summary>How trees grow.</summary>
internal sealed record TreeSettings
{
    /// <summary>Leaves of one tree at most.</summary>
    public int Leaves { get; init; } = 31;

    /// <summary>Training rows in a leaf at least; held inside the split search.</summary>
    public int LeafRowsMin { get; init; } = 20;

    public float LearningRate { get; init; } = 0.05f;

    /// <summary>Added to the hessian of every leaf: pulls leaf values towards zero.</summary>
    public float L2 { get; init; } = 1;

    /// <summary>Share of the rows that each tree sees.</summary>
    public double RowFraction { get; init; } = 1;

    /// <summary>Share of the features that each tree may split on.</summary>
    public double FeatureFraction { get; init; } = 1;
}
