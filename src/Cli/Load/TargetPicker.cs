namespace Atoll.Cli.Load;

/// <summary>Draws a number from 0 on: all alike, by Zipf's law, or one after the other.</summary>
internal sealed class TargetPicker
{
    private readonly int _count;
    private readonly bool _sweeps;
    private readonly double[]? _cumulative;
    private ulong _state;
    private int _next;

    /// <param name="count">How many there are.</param>
    /// <param name="exponent">0 draws all alike.</param>
    /// <param name="sweeps">In order instead.</param>
    public TargetPicker(int count, double exponent, bool sweeps, int seed)
    {
        _count = count;
        _sweeps = sweeps;
        _state = (ulong)seed * 0x9E3779B97F4A7C15 + 0x1234567;
        if (exponent <= 0 || sweeps) return;
        _cumulative = new double[count];
        var sum = 0.0;
        for (var i = 0; i < count; i++) _cumulative[i] = sum += Math.Pow(i + 1, -exponent);
        for (var i = 0; i < count; i++) _cumulative[i] /= sum;
    }

    public int Next()
    {
        if (_count == 1) return 0;
        if (_sweeps)
        {
            var next = _next;
            _next = next + 1 == _count ? 0 : next + 1;
            return next;
        }
        // SplitMix64: small, fast and good enough to choose a model by.
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        var uniform = ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
        if (_cumulative is null) return (int)(uniform * _count);
        var at = Array.BinarySearch(_cumulative, uniform);
        return Math.Min(at < 0 ? ~at : at, _count - 1);
    }
}
