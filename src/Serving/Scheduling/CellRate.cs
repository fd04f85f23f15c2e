namespace Atoll.Serving;

/// <summary>Lets something happen so many times a second, with bursts of one second's worth (generic cell rate algorithm, ITU-T I.371).</summary>
internal static class CellRate
{
    /// <summary>Zero when it may happen now; otherwise when it may.</summary>
    /// <param name="due">When the next one is due; zero in the beginning.</param>
    public static TimeSpan Take(ref long due, double perSecond, TimeProvider clock)
    {
        var frequency = clock.TimestampFrequency;
        var interval = (long)(frequency / perSecond);
        var burst = Math.Max(frequency, interval);
        var now = clock.GetTimestamp();
        for (var known = Interlocked.Read(ref due); ;)
        {
            var next = Math.Max(known, now) + interval;
            if (next - now > burst) return TimeSpan.FromSeconds((double)(next - now - burst) / frequency);
            var seen = Interlocked.CompareExchange(ref due, next, known);
            if (seen == known) return TimeSpan.Zero;
            known = seen;
        }
    }
}
