namespace Atoll.Platform.Telemetry;

/// <summary>The labels of a series. Compared by what they say; found by a span of tags, so that none are made to find them.</summary>
internal sealed class MetricLabels(KeyValuePair<string, object?>[] tags)
{
    private readonly KeyValuePair<string, object?>[] _tags = tags;

    /// <summary>As Prometheus writes them, without braces.</summary>
    public string Text { get; } = PrometheusText.LabelsOf(tags);

    /// <summary>Compares labels with labels and with spans of tags.</summary>
    internal sealed class Comparer : IEqualityComparer<MetricLabels>, IAlternateEqualityComparer<ReadOnlySpan<KeyValuePair<string, object?>>, MetricLabels>
    {
        public static readonly Comparer Instance = new();

        public bool Equals(MetricLabels? x, MetricLabels? y) => ReferenceEquals(x, y) || (x is not null && y is not null && Equals(x._tags, y));

        public int GetHashCode(MetricLabels obj) => GetHashCode(obj._tags);

        public MetricLabels Create(ReadOnlySpan<KeyValuePair<string, object?>> alternate) => new(alternate.ToArray());

        public bool Equals(ReadOnlySpan<KeyValuePair<string, object?>> alternate, MetricLabels other)
        {
            var tags = other._tags;
            if (alternate.Length != tags.Length) return false;
            for (var i = 0; i < tags.Length; i++)
                if (alternate[i].Key != tags[i].Key || !Equals(alternate[i].Value, tags[i].Value)) return false;
            return true;
        }

        // Of each text only a little: this is asked at every measurement, and few labels differ in the midst of long texts.
        public int GetHashCode(ReadOnlySpan<KeyValuePair<string, object?>> alternate)
        {
            var hash = alternate.Length;
            foreach (var (key, value) in alternate)
                hash = (hash * 31) + (key.Length * 7) + (value switch { string { Length: > 2 } text => (text.Length * 17) + (text[text.Length / 2] * 3) + text[^1], null => 0, _ => value.GetHashCode() });
            return hash;
        }
    }
}
