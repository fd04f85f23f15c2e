namespace Atoll.Platform.Grpc;

/// <summary>Reads the header <c>grpc-timeout</c>: at most eight digits and a unit.</summary>
internal static class GrpcTimeout
{
    private const int DigitsMax = 8;

    // Timers reach no further; nobody waits longer.
    private static readonly TimeSpan Max = TimeSpan.FromDays(30);

    public static bool TryParse(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > DigitsMax + 1) return false;
        long value = 0;
        foreach (var digit in text.AsSpan(0, text.Length - 1))
        {
            if (!char.IsAsciiDigit(digit)) return false;
            value = value * 10 + digit - '0';
        }
        long ticks;
        switch (text[^1])
        {
            case 'H': ticks = value * TimeSpan.TicksPerHour; break;
            case 'M': ticks = value * TimeSpan.TicksPerMinute; break;
            case 'S': ticks = value * TimeSpan.TicksPerSecond; break;
            case 'm': ticks = value * TimeSpan.TicksPerMillisecond; break;
            case 'u': ticks = value * TimeSpan.TicksPerMicrosecond; break;
            case 'n': ticks = value / TimeSpan.NanosecondsPerTick; break;
            default: return false;
        }
        timeout = new TimeSpan(Math.Min(ticks, Max.Ticks));
        return true;
    }
}
