namespace Atoll.Training.Text;

/// <summary>Rows of which most features are zero: the positions and values of the others, row after row.</summary>
/// <param name="Starts">Where each row begins in the other two arrays; one entry more than there are rows.</param>
/// <param name="Features">Positions of the features that are not zero, ascending within a row.</param>
/// <param name="Values">Their values.</param>
/// <param name="FeatureCount">Number of features.</param>
internal sealed record SparseRows(int[] Starts, int[] Features, float[] Values, int FeatureCount)
{
    public int Count => Starts.Length - 1;

    public ReadOnlySpan<int> FeaturesOf(int row) => Features.AsSpan(Starts[row]..Starts[row + 1]);

    public ReadOnlySpan<float> ValuesOf(int row) => Values.AsSpan(Starts[row]..Starts[row + 1]);
}
