using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Where a sample stands in the source files.</summary>
internal readonly record struct Place(int File, long Line, string? Entry = null);

/// <summary>Takes the samples of an import, of whatever type: writes them, counts labels, finds duplicates.</summary>
internal sealed class SampleSink(SamplePackWriter pack, IReadOnlyList<SourceFile> files, ImportSettings settings, ImportProblems problems, Action<double>? progress)
{
    private const int DuplicatesListed = 10;

    private readonly Dictionary<string, int> _numbers = [];
    private readonly List<LabelState> _labels = [];
    private readonly Dictionary<ulong, Seen> _seen = [];
    private readonly Dictionary<long, int[]> _furtherLabels = [];
    private readonly bool _splitsGiven = files.Any(file => file.Split is not null);
    private long _duplicatesUnlisted;

    public ImportProblems Problems => problems;

    public ImportSettings Settings => settings;

    public IReadOnlyList<SourceFile> Files => files;

    public long Duplicates { get; private set; }

    public long Count => pack.Count;

    /// <summary>There are more labels than allowed; no further ones are kept.</summary>
    public bool HasTooManyLabels { get; private set; }

    public IReadOnlyList<string> Labels => [.. _labels.Select(label => label.Name)];

    /// <summary>Set by the format, for what it has.</summary>
    public IReadOnlyList<ColumnStatistics> Columns { get; set; } = [];

    public NumberSketch TextLengths { get; } = new();

    public NumberSketch ImageWidths { get; } = new();

    public NumberSketch ImageHeights { get; } = new();

    public Dictionary<string, long> ImageFormats { get; } = [];

    public NumberSketch AudioSeconds { get; } = new();

    public Dictionary<string, long> AudioRates { get; } = [];

    /// <summary>Every sample must have a label that others share; true for texts, images and sounds, for tables only where the label is a class.</summary>
    public bool LabelsAreClasses { get; set; } = true;

    /// <summary>A sample may have several labels.</summary>
    public bool MultiLabel { get; set; }

    /// <summary>Labels mark parts of samples, so that one label is enough to learn, and samples may have none.</summary>
    public bool LabelsMarkParts { get; set; }

    /// <summary>Fraction of the work done.</summary>
    public void Report(double fraction) => progress?.Invoke(fraction);

    /// <summary>The number of a label, new or known; -1 when there are too many.</summary>
    public int NumberOf(ReadOnlySpan<char> label)
    {
        if (_numbers.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(label, out int number)) return number;

        if (_labels.Count == settings.Limits.LabelsMax)
        {
            HasTooManyLabels = true;
            return -1;
        }

        var name = label.ToString();
        _numbers[name] = number = _labels.Count;
        _labels.Add(new LabelState(name));
        return number;
    }

    /// <summary>Takes a good sample.</summary>
    public void Add(ReadOnlySpan<byte> payload, ReadOnlySpan<int> labels, Place place)
    {
        var split = _splitsGiven ? Splits.Parse(files[place.File].Split) ?? Split.Train : Split.Unassigned;
        Add(payload, labels, place, split);
    }

    /// <summary>Takes a good sample whose split stands in the source.</summary>
    public void Add(ReadOnlySpan<byte> payload, ReadOnlySpan<int> labels, Place place, Split split)
    {
        if (pack.Count == settings.Limits.SamplesMax)
        {
            if (!problems.IsFatal)
            {
                problems.Fatal(new ImportProblem(ImportProblemCodes.TooManySamples, $"There are more than {settings.Limits.SamplesMax:N0} samples, the tenant's limit 'rowsPerUploadMax'. Upload them as several versions, or ask the platform's administrator to raise it.", files[place.File].Name, LineOf(place), place.Entry));
            }

            return;
        }

        ulong hash = StableHash.Of(payload);
        NoteDuplicate(hash, labels, place, split);
        foreach (int label in labels) _labels[label].See(place);
        if (labels.Length > 1) _furtherLabels[pack.Count] = labels[1..].ToArray();

        // Once it is clear that nothing will be kept, the rest is read for its problems only.
        if (problems.IsFatal || (problems.BadSamples > 0 && !settings.SkipBad)) return;

        pack.Add(payload, hash, labels, split, place.File, place.Line, place.Entry);
    }

    /// <summary>A sample of the files that cannot be used.</summary>
    public void Bad(string code, string message, Place place, string? column = null) =>
        problems.Bad(new ImportProblem(code, message, files[place.File].Name, LineOf(place), place.Entry, column));

    public void Warn(string code, string message, Place place, string? column = null) =>
        problems.Warn(new ImportProblem(code, message, files[place.File].Name, LineOf(place), place.Entry, column));

    public void Fatal(string code, string message, Place place, string? column = null) =>
        problems.Fatal(new ImportProblem(code, message, files[place.File].Name, LineOf(place), place.Entry, column));

    /// <summary>After the last sample: judges the labels, makes the splits and counts.</summary>
    public DatasetStatistics Complete()
    {
        if (pack.Count == 0 && problems.ErrorCount == 0)
        {
            problems.Fatal(new ImportProblem(ImportProblemCodes.NoRows, "There is not a single sample in the upload. Send at least two.", files[0].Name));
        }

        if (_duplicatesUnlisted > 0)
        {
            problems.Warn(new ImportProblem(ImportProblemCodes.DuplicateSample, _duplicatesUnlisted == 1
                ? "One more sample repeats another." : $"{_duplicatesUnlisted:N0} more samples repeat others."));
        }

        JudgeLabels();
        if (problems.IsFatal || (problems.BadSamples > 0 && !settings.SkipBad)) return Statistics([], []);

        if (!LabelsAreClasses) pack.Revise((_, record) => record with { Label = -1, LabelCount = 0 });
        SplitAssignment.Assign(pack, settings.Seed, settings.TestFraction);
        return CountAll();
    }

    private void JudgeLabels()
    {
        if (LabelsMarkParts && _labels.Count == 0 && pack.Count > 0 && !problems.IsFatal && (problems.BadSamples == 0 || settings.SkipBad))
            problems.Fatal(new ImportProblem(ImportProblemCodes.NoEntities, "Nothing is marked in any of the samples. Mark what a model shall find.", files[0].Name));

        if (!LabelsAreClasses || _labels.Count == 0) return;

        if (HasTooManyLabels)
        {
            problems.Fatal(new ImportProblem(ImportProblemCodes.TooManyLabels,
                $"There are more than {settings.Limits.LabelsMax:N0} different labels. Check that the label column was found right, or name it with 'label'."));
            return;
        }

        if (_labels.Count == 1 && !LabelsMarkParts)
        {
            var only = _labels[0];
            Fatal(ImportProblemCodes.OneLabel, $"Every sample has the label '{only.Name}'. Nothing can be told apart; add samples of another label.", only.First);
            return;
        }

        if (!MultiLabel) DropRareLabels();
    }

    /// <summary>One example cannot be learned from and tested with.</summary>
    private void DropRareLabels()
    {
        var rare = _labels.Where(label => label.Count == 1).ToList();
        if (rare.Count == 0) return;

        foreach (var label in rare)
        {
            Bad(ImportProblemCodes.TooFewExamples, $"The label '{label.Name}' has a single example. Add more examples of it, or take it out.", label.First);
        }

        var numbers = rare.Select(label => _numbers[label.Name]).ToHashSet();
        if (_labels.Count - rare.Count < 2)
        {
            problems.Fatal(new ImportProblem(ImportProblemCodes.OneLabel, "Fewer than two labels have at least two examples. Add examples.", files[0].Name));
        }
        else if (settings.SkipBad && !problems.IsFatal)
        {
            Remove(numbers);
        }
    }

    private void Remove(HashSet<int> numbers)
    {
        var kept = new int[_labels.Count];
        for (int number = 0, next = 0; number < kept.Length; number++) kept[number] = numbers.Contains(number) ? -1 : next++;

        pack.Retain(record => !numbers.Contains(record.Label), record => record with { Label = kept[record.Label] });
        for (int number = _labels.Count - 1; number >= 0; number--)
        {
            if (numbers.Contains(number)) _labels.RemoveAt(number);
        }
    }

    private DatasetStatistics CountAll()
    {
        var bySplit = new long[3];
        var byLabel = _labels.Select(_ => new long[3]).ToArray();
        pack.Revise((position, record) =>
        {
            bySplit[(int)record.Split]++;
            if (record.Label >= 0) byLabel[record.Label][(int)record.Split]++;
            if (record.LabelCount > 1)
            {
                foreach (int label in _furtherLabels[position]) byLabel[label][(int)record.Split]++;
            }

            return record;
        });

        Split[] splits = [Split.Train, Split.Validation, Split.Test];
        var present = splits.Where(split => bySplit[(int)split] > 0).ToArray();
        foreach (var split in (Split[])[Split.Train, Split.Test])
        {
            if (bySplit[(int)split] > 0) continue;

            problems.Warn(new ImportProblem(ImportProblemCodes.EmptySplit, $"The split '{Splits.NameOf(split)}' has no samples. Give some of the files to it, or none of them to any split and let it be made."));
        }

        var labels = LabelsAreClasses
            ? _labels.Select((label, number) => new LabelCount(label.Name, byLabel[number].Sum(), present.ToDictionary(Splits.NameOf, split => byLabel[number][(int)split]))).ToList()
            : [];
        WarnOfUnlearnable(labels, bySplit);
        return Statistics([.. present.Select(split => new SplitCount(Splits.NameOf(split), bySplit[(int)split]))], labels);
    }

    private void WarnOfUnlearnable(List<LabelCount> labels, long[] bySplit)
    {
        if (bySplit[(int)Split.Train] == 0) return;

        foreach (var label in labels.Where(label => label.Count > 0 && label.Splits.GetValueOrDefault(SplitNames.Train) == 0))
        {
            problems.Warn(new ImportProblem(ImportProblemCodes.LabelOnlyInTest, $"The label '{label.Label}' has no sample in train, so that it cannot be learned. Add examples of it to train."));
        }
    }

    private DatasetStatistics Statistics(IReadOnlyList<SplitCount> splits, IReadOnlyList<LabelCount> labels) => new()
    {
        Samples = pack.Count,
        Bytes = pack.PayloadBytes,
        Splits = splits,
        Labels = labels,
        Columns = Columns,
        TextLengths = TextLengths.ToStatistics(),
        ImageWidths = ImageWidths.ToStatistics(),
        ImageHeights = ImageHeights.ToStatistics(),
        ImageFormats = Counted(ImageFormats),
        AudioSeconds = AudioSeconds.ToStatistics(),
        AudioRates = Counted(AudioRates),
        Duplicates = Duplicates,
    };

    private static List<ValueCount> Counted(Dictionary<string, long> counts) =>
        [.. counts.OrderByDescending(pair => pair.Value).Select(pair => new ValueCount(pair.Key, pair.Value))];

    private void NoteDuplicate(ulong hash, ReadOnlySpan<int> labels, Place place, Split split)
    {
        int label = labels.IsEmpty ? -1 : labels[0];
        if (!_seen.TryGetValue(hash, out var first))
        {
            if (_seen.Count < settings.Limits.DuplicatesTracked) _seen[hash] = new Seen(place, label, split);
            return;
        }

        Duplicates++;
        bool conflict = label != first.Label && !MultiLabel;
        if (Duplicates > DuplicatesListed && !conflict)
        {
            _duplicatesUnlisted++;
            return;
        }

        var where = first.Place.Entry ?? $"line {first.Place.Line}";
        if (first.Place.File != place.File) where = $"{files[first.Place.File].Name}, {where}";
        if (conflict)
        {
            Warn(ImportProblemCodes.ConflictingLabels, $"The same sample stands at {where} with another label. Decide for one of them.", place);
        }
        else
        {
            var leak = first.Split != split ? " They are in different splits, so that test results look better than they are." : "";
            Warn(ImportProblemCodes.DuplicateSample, $"The same sample stands at {where}.{leak} Take one of them out.", place);
        }
    }

    private static long? LineOf(Place place) => place.Line > 0 ? place.Line : null;

    private sealed class LabelState(string name)
    {
        public string Name => name;

        public long Count { get; private set; }

        public Place First { get; private set; }

        public void See(Place place)
        {
            if (Count++ == 0) First = place;
        }
    }

    private readonly record struct Seen(Place Place, int Label, Split Split);
}
