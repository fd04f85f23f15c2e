using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Atoll.Training.Entities;

/// <summary>Fits a chain to tagged texts by steps of AdaGrad, a text at a time, and keeps the mean of the weights that the passes end with.</summary>
/// <remarks>Source: Lafferty, McCallum, Pereira: Conditional random fields (2001); Duchi, Hazan, Singer: Adaptive subgradient methods (2011).</remarks>
internal sealed class ChainTraining
{
    private const float Smallest = 1e-6f;

    // Beginnings and ends of one and two characters are too few to learn by heart; only what names a word is hidden.
    private static readonly bool[] MayHide = [.. Enumerable.Range(0, EntityVocabulary.OwnPerWord).Select(i => i is 0 or 3 or 4 or 7 or 8 or EntityVocabulary.WordBefore or EntityVocabulary.WordBehind)];

    private readonly EntityOptions _options;
    private readonly IReadOnlyList<(WordFeatures Features, int[] Tags)> _texts;
    private readonly ChainModel _model;
    private readonly float[] _wideSquares;
    private readonly float[] _ownSquares;
    private readonly float[] _transitionSquares;
    private readonly int[] _order;
    private SplitMix64 _random;

    /// <param name="texts">Features of the words of each text, and their tags.</param>
    public ChainTraining(IReadOnlyList<(WordFeatures Features, int[] Tags)> texts, int labels, EntityVocabulary vocabulary, EntityOptions options, int seed)
    {
        (_texts, _options) = (texts, options);
        _model = new ChainModel(labels, vocabulary.WideRows, vocabulary.OwnRows);
        Mean = new ChainModel(labels, vocabulary.WideRows, vocabulary.OwnRows);
        (_wideSquares, _ownSquares, _transitionSquares) = (new float[_model.Wide.Length], new float[_model.Own.Length], new float[_model.Transitions.Length]);
        _order = [.. Enumerable.Range(0, texts.Count)];
        _random = new SplitMix64((ulong)seed);
    }

    /// <summary>The mean of the models at the ends of the passes.</summary>
    public ChainModel Mean { get; }

    /// <summary>Passes so far.</summary>
    public int Epochs { get; private set; }

    /// <summary>One pass over the texts; returns the mean loss of a word.</summary>
    public double Run(CancellationToken cancellationToken)
    {
        _random.Shuffle<int>(_order);
        double loss = 0;
        long words = 0;
        foreach (var text in _order)
        {
            cancellationToken.ThrowIfCancellationRequested();
            loss += Learn(_texts[text].Features, _texts[text].Tags);
            words += _texts[text].Features.Count - 1;
        }

        Epochs++;
        foreach (var (mean, now) in (ReadOnlySpan<(float[], float[])>)[(Mean.Wide, _model.Wide), (Mean.Own, _model.Own), (Mean.Transitions, _model.Transitions)])
        {
            // mean += (now - mean) / epochs
            TensorPrimitives.Lerp(mean, now, 1f / Epochs, mean);
        }
        return loss / Math.Max(1, words);
    }

    private double Learn(WordFeatures whole, int[] gold)
    {
        var (features, ownFactors) = Hide(whole);
        var (count, tags) = (features.Count, _model.Tags);
        var transitions = _model.TransitionFactors();
        var scores = _model.Scores(features, ownFactors);
        var factors = (float[])scores.Clone();
        _model.ToFactors(factors);

        var (forward, backward) = (new float[factors.Length], new float[factors.Length]);
        factors.AsSpan(0, tags).CopyTo(forward);
        double loss = 0;
        for (var word = 1; word < count; word++)
        {
            var to = forward.AsSpan(word * tags, tags);
            _model.Step(forward.AsSpan((word - 1) * tags, tags), transitions, to, isBackward: false);
            TensorPrimitives.Multiply(to, factors.AsSpan(word * tags, tags), to);
            loss += Math.Log(ChainModel.Normalise(to));
        }
        for (var i = 0; i < tags; i++) backward[(count - 1) * tags + i] = transitions[i * tags];
        loss += Math.Log(TensorPrimitives.Dot(forward.AsSpan((count - 1) * tags, tags), backward.AsSpan((count - 1) * tags, tags)));
        ChainModel.Normalise(backward.AsSpan((count - 1) * tags, tags));
        Span<float> message = stackalloc float[tags];
        for (var word = count - 2; word >= 0; word--)
        {
            TensorPrimitives.Multiply(factors.AsSpan((word + 1) * tags, tags), backward.AsSpan((word + 1) * tags, tags), message);
            var to = backward.AsSpan(word * tags, tags);
            _model.Step(message, transitions, to, isBackward: true);
            ChainModel.Normalise(to);
        }

        // What the tags should be less what they are thought to be.
        var errors = new float[factors.Length];
        var moves = new float[transitions.Length];
        Span<float> pairs = stackalloc float[tags];
        var joint = new float[transitions.Length];
        for (var word = 1; word < count; word++)
        {
            var error = errors.AsSpan(word * tags, tags);
            TensorPrimitives.Multiply(forward.AsSpan(word * tags, tags), backward.AsSpan(word * tags, tags), error);
            ChainModel.Normalise(error);
            TensorPrimitives.Negate(error, error);
            error[gold[word]]++;

            TensorPrimitives.Multiply(factors.AsSpan(word * tags, tags), backward.AsSpan(word * tags, tags), pairs);
            for (var i = 0; i < tags; i++)
            {
                var row = joint.AsSpan(i * tags, tags);
                TensorPrimitives.Multiply(transitions.AsSpan(i * tags, tags), pairs, row);
                TensorPrimitives.Multiply(row, forward[(word - 1) * tags + i], row);
            }
            TensorPrimitives.MultiplyAdd(joint, -1 / TensorPrimitives.Sum<float>(joint), moves, moves);
            moves[gold[word - 1] * tags + gold[word]]++;
            var best = float.NegativeInfinity;
            foreach (var score in scores.AsSpan(word * tags, tags)) best = Math.Max(best, score);
            loss -= Math.Max(scores[word * tags + gold[word]] - best, ChainModel.LeastScore) + _model.Transitions[gold[word - 1] * tags + gold[word]];
        }
        // The way out of the last word.
        loss -= _model.Transitions[gold[count - 1] * tags];
        moves[gold[count - 1] * tags]++;
        for (var i = 0; i < tags; i++) pairs[i] = forward[(count - 1) * tags + i] * transitions[i * tags];
        ChainModel.Normalise(pairs);
        for (var i = 0; i < tags; i++) moves[i * tags] -= pairs[i];

        Update(features, ownFactors, errors);
        Step(_model.Transitions, _transitionSquares, moves);
        for (var i = 0; i < moves.Length; i++) _model.Transitions[i] = Math.Clamp(_model.Transitions[i], -ChainModel.TransitionMost, ChainModel.TransitionMost);
        return loss;
    }

    private void Update(WordFeatures features, float[] ownFactors, float[] errors)
    {
        var (count, tags) = (features.Count, _model.Tags);
        var width = ChainModel.Slots * tags;
        var spread = new float[width];
        var own = new float[tags];
        for (var word = 0; word < count; word++)
        {
            Array.Clear(spread);
            for (var distance = -ChainModel.Far; distance <= ChainModel.Far; distance++)
            {
                // This word stands at that distance from the other one.
                var other = word - distance;
                if ((uint)other >= (uint)count) continue;
                var error = errors.AsSpan(other * tags, tags);
                if (Math.Abs(distance) <= ChainModel.Near)
                    error.CopyTo(spread.AsSpan((distance + ChainModel.Near) * tags));
                var around = spread.AsSpan(ChainModel.AroundSlot * tags, tags);
                if (distance != 0) TensorPrimitives.Add(around, error, around);
            }
            for (var i = 0; i < EntityVocabulary.WidePerWord; i++)
            {
                var row = features.Wide[word * EntityVocabulary.WidePerWord + i];
                Step(_model.Wide.AsSpan(row * width, width), _wideSquares.AsSpan(row * width, width), spread);
            }
            for (var i = 0; i < EntityVocabulary.OwnPerWord; i++)
            {
                var at = word * EntityVocabulary.OwnPerWord + i;
                if (features.Own[at] == 0 || ownFactors[at] == 0) continue;
                TensorPrimitives.Multiply(errors.AsSpan(word * tags, tags), ownFactors[at], own);
                Step(_model.Own.AsSpan(features.Own[at] * tags, tags), _ownSquares.AsSpan(features.Own[at] * tags, tags), own);
            }
        }
    }

    /// <summary>One step of AdaGrad, upwards.</summary>
    private void Step(Span<float> weights, Span<float> squares, ReadOnlySpan<float> gradient)
    {
        var (rate, decay) = (_options.LearningRate, _options.Decay);
        var whole = weights.Length - weights.Length % Vector<float>.Count;
        var w = MemoryMarshal.Cast<float, Vector<float>>(weights[..whole]);
        var s = MemoryMarshal.Cast<float, Vector<float>>(squares[..whole]);
        var d = MemoryMarshal.Cast<float, Vector<float>>(gradient[..whole]);
        for (var i = 0; i < w.Length; i++)
        {
            var g = d[i] - w[i] * decay;
            s[i] += g * g;
            w[i] += g * rate / (Vector.SquareRoot(s[i]) + new Vector<float>(Smallest));
        }
        for (var i = whole; i < weights.Length; i++)
        {
            var g = gradient[i] - weights[i] * decay;
            squares[i] += g * g;
            weights[i] += g * rate / (MathF.Sqrt(squares[i]) + Smallest);
        }
    }

    /// <summary>Hides a part of what names the words, so that the rest is learned from, too.</summary>
    private (WordFeatures Features, float[] OwnFactors) Hide(WordFeatures whole)
    {
        var factors = new float[whole.Own.Length];
        if (_options.Dropout == 0)
        {
            Array.Fill(factors, 1);
            return (whole, factors);
        }
        var wide = (int[])whole.Wide.Clone();
        var kept = 1 / (1 - _options.Dropout);
        for (var word = 0; word < whole.Count; word++)
        {
            if (word > 0 && _random.NextDouble() < _options.Dropout) wide[word * EntityVocabulary.WidePerWord + 2] = EntityVocabulary.UnknownWord;
            for (var i = 0; i < EntityVocabulary.OwnPerWord; i++)
            {
                var at = word * EntityVocabulary.OwnPerWord + i;
                factors[at] = !MayHide[i] ? 1 : whole.Own[at] != 0 && _random.NextDouble() < _options.Dropout ? 0 : kept;
            }
        }
        return (whole with { Wide = wide }, factors);
    }
}
