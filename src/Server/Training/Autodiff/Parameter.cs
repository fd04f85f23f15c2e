namespace Atoll.Training.Autodiff;

/// <summary>A named part of a network's flat vector of weights, or of its flat vector of running averages.</summary>
/// <param name="Offset">Where it begins in the flat vector.</param>
/// <param name="Start">Gives its first values.</param>
internal sealed record Parameter(string Name, long[] Shape, int Offset, Initializer Start)
{
    public int Count { get; } = checked((int)Shape.Aggregate(1L, (product, size) => product * size));

    /// <summary>Weight decay pulls matrices only: decaying gains and biases costs accuracy and regularises nothing.</summary>
    public bool Decays => Shape.Length > 1;
}

/// <summary>How a parameter gets its first values.</summary>
internal readonly record struct Initializer
{
    private readonly float _value;
    private readonly float _deviation;

    private Initializer(float value, float deviation)
    {
        _value = value;
        _deviation = deviation;
    }

    public static Initializer Zeros => default;

    public static Initializer Ones => new(1, 0);

    public static Initializer Normal(float deviation) => new(0, deviation);

    /// <summary>Keeps the variance of the activations through a layer that a Relu follows.</summary>
    /// <remarks>Source: He et al. 2015, Delving Deep into Rectifiers.</remarks>
    public static Initializer He(long inputs) => new(0, MathF.Sqrt(2f / inputs));

    /// <summary>Keeps the variance of the activations through a layer without a nonlinearity.</summary>
    /// <remarks>Source: LeCun et al. 1998, Efficient BackProp.</remarks>
    public static Initializer LeCun(long inputs) => new(0, MathF.Sqrt(1f / inputs));

    public void Fill(Span<float> values, Random random)
    {
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = _value;
            if (_deviation == 0) continue;
            // Box and Muller 1958; 1 - x because the logarithm of 0 is infinite.
            var radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] += _deviation * (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }
    }
}
