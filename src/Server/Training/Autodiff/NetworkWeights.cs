namespace Atoll.Training.Autodiff;

/// <summary>Everything a network has learned, by name: weights and running averages.</summary>
internal sealed class NetworkWeights
{
    private readonly Dictionary<string, float[]> _values = new(StringComparer.Ordinal);

    public NetworkWeights(
        IReadOnlyList<Parameter> parameters, ReadOnlySpan<float> weights,
        IReadOnlyList<Parameter> averages, ReadOnlySpan<float> averageValues)
    {
        foreach (var parameter in parameters) _values.Add(parameter.Name, weights.Slice(parameter.Offset, parameter.Count).ToArray());
        foreach (var average in averages) _values.Add(average.Name, averageValues.Slice(average.Offset, average.Count).ToArray());
    }

    public float[] this[string name] =>
        _values.TryGetValue(name, out var values) ? values : throw new ArgumentException($"The network has no weights named {name}.");
}
