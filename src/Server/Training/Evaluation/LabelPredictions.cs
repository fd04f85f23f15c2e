using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Collects what a model says about labels, batch by batch, beside the truth.</summary>
internal sealed class LabelPredictions
{
    private readonly OnnxSession _session;
    private readonly bool _multiLabel;
    private readonly string[] _labels;
    private readonly int _modelLabels;
    private readonly Dictionary<string, int> _positions;
    private readonly int[][] _actual;
    private readonly int[] _predicted;
    private readonly float[] _probabilities;
    private readonly bool[] _selected;
    private readonly int _probabilitiesOutput;
    private readonly int _decisionOutput;

    /// <summary>Prepares for samples whose labels are positions in <paramref name="names"/>, which may be others than the model's.</summary>
    public LabelPredictions(OnnxSession session, ModelSignature signature, IReadOnlyList<string> names, IReadOnlyList<int[]> actual)
    {
        _session = session;
        _multiLabel = signature.Task == TaskKinds.MultiLabelClassification;
        if (!_multiLabel && signature.Task != TaskKinds.Classification)
            throw new ArgumentException($"A model for {signature.Task} gives no labels.", nameof(signature));
        if (signature.Labels is not { Count: > 0 } labels)
            throw new ArgumentException("The model's signature lists no labels.", nameof(signature));

        // Only names that occur count: a dataset may know labels that none of these samples has.
        var used = actual.SelectMany(set => set).Distinct().Order().Select(position => names[position]);
        _modelLabels = labels.Count;
        _labels = [.. labels, .. used.Except(labels, StringComparer.Ordinal)];
        _positions = _labels.Select((name, i) => (name, i)).ToDictionary(pair => pair.name, pair => pair.i, StringComparer.Ordinal);
        _actual = [.. actual.Select(set => set.Select(position => _positions[names[position]]).ToArray())];
        if (!_multiLabel && Array.FindIndex(_actual, set => set.Length != 1) is >= 0 and var bad)
            throw new ArgumentException($"Sample {bad} has {_actual[bad].Length} labels; this model gives one.", nameof(actual));

        _predicted = new int[_multiLabel ? 0 : _actual.Length];
        _selected = new bool[_multiLabel ? _actual.Length * _modelLabels : 0];
        _probabilities = new float[_actual.Length * _modelLabels];
        _probabilitiesOutput = Outputs.Find(session, "probabilities");
        _decisionOutput = Outputs.Find(session, _multiLabel ? "selected" : "label");
    }

    /// <summary>Predicts one batch; <paramref name="samples"/> says which samples are in it.</summary>
    public void Run(ReadOnlySpan<OnnxTensor> inputs, ReadOnlySpan<int> samples)
    {
        var outputs = _session.Run(inputs);
        try
        {
            var probabilities = outputs[_probabilitiesOutput].Span<float>();
            if (probabilities.Length != samples.Length * _modelLabels)
                throw new InvalidOperationException(
                    $"The model gave {probabilities.Length} probabilities for {samples.Length} samples and {_modelLabels} labels.");
            Outputs.CheckFinite(probabilities, "probabilities");
            for (var i = 0; i < samples.Length; i++)
                probabilities.Slice(i * _modelLabels, _modelLabels).CopyTo(_probabilities.AsSpan(samples[i] * _modelLabels));

            if (_multiLabel)
            {
                var selected = outputs[_decisionOutput].Span<bool>();
                for (var i = 0; i < samples.Length; i++)
                    selected.Slice(i * _modelLabels, _modelLabels).CopyTo(_selected.AsSpan(samples[i] * _modelLabels));
                return;
            }
            var names = outputs[_decisionOutput].ToStrings();
            for (var i = 0; i < samples.Length; i++)
            {
                if (!_positions.TryGetValue(names[i], out var position))
                    throw new InvalidOperationException($"The model gave the label '{names[i]}', which its signature does not list.");
                _predicted[samples[i]] = position;
            }
        }
        finally
        {
            foreach (var output in outputs) output.Dispose();
        }
    }

    public EvaluationReport ToReport() => _multiLabel
        ? MultiLabelMetrics.Compute(_actual, _selected, _probabilities, _labels, _modelLabels)
        : ClassificationMetrics.Compute([.. _actual.Select(set => set[0])], _predicted, _probabilities, _labels, _modelLabels);
}
