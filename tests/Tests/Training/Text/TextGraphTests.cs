using System.Text;
using Atoll.Serving.Onnx;
using Atoll.Training.Text;
using Xunit;

namespace Atoll.Tests.Training.Text;

/// <summary>The serving graph against the trainer's own features, on texts that tokenisers stumble over.</summary>
public sealed class TextGraphTests(ITestOutputHelper output)
{
    private static readonly string[] Nasty =
    [
        "", " ", "   \t\r\n ", "\u0001", "\u0002", "a\u0002b \u0002", "\0", "a\0b", "padding", "pad ding", "\uFFFD", "\uD83D lone",
        "Hello, World!", "HELLO world", "hello   world", "don't DON\u2019T dont", "it's 5 o'clock", "e-mail: a.b@c.de", "snake_case_word",
        "\U0001F600", "ok \U0001F44D\U0001F3FD\U0001F44D!", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\u2764\uFE0F", "\U0001F1E9\U0001F1EA",
        "cafe\u0301 caf\u00E9 CAF\u00C9", "Z\u0335\u0321a\u0338\u0322l\u0340g\u0489o", "\u00C5ngstr\u00F6m \u212Bngstrom",
        "Stra\u00DFe STRASSE STRA\u1E9EE", "\u0130stanbul \u0131stanbul", "\u4F60\u597D\u4E16\u754C", "\u4F60\u597D world",
        "\u65E5\u672C\u8A9E\u306E\u6587\u7AE0\u3067\u3059\u3002", "\uD55C\uAD6D\uC5B4 \uBB38\uC7A5", "\u0E2A\u0E27\u0E31\u0E2A\u0E14\u0E35",
        "\U00020000\U0002A6D6", "\u0645\u0631\u062D\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
        "\u05E9\u05DC\u05D5\u05DD \u05E2\u05D5\u05DC\u05DD", "\u202Eabc\u202C", "\u041F\u0440\u0438\u0432\u0435\u0442 \u041C\u0418\u0420",
        "\u0393\u03B5\u03B9\u03AC \u03C3\u03BF\u03C5 \u03A3\u039F\u03A3\u03A3\u03C2", "\u0928\u092E\u0938\u094D\u0924\u0947",
        "1,234.56 $ \u20AC 50%", "\u00BD \u2167 \u2460 \u00B2", "a", "!", "!!!???", "\u00A0nbsp\u00A0", "\u200Bzero\u200Bwidth",
        "\uFEFFbom", "\u2028line\u2029para", "\uFF26\uFF35\uFF2C\uFF2C width", "\uFF76\uFF80\uFF76\uFF85", "a\u0300", "\u0300",
        "<b>html</b> &amp;", "C:\\path\\file", "\"quoted\"", "x=1;y=2", "\uE000\uFFFF\U0010FFFF",
    ];

    [Fact]
    public void The_graph_finds_the_same_features_as_the_trainer_in_nasty_texts()
    {
        var texts = Nasty.Concat([new string('x', 600), string.Concat(Enumerable.Repeat("Very long text, on and on. ", 40))]).ToList();
        Compare(Model(texts, labelCount: 7), texts);
    }

    [Fact]
    public void The_graph_finds_the_same_features_as_the_trainer_in_unseen_mixtures()
    {
        const int seed = 4711;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var texts = new List<string>();
        for (var i = 0; i < 300; i++)
        {
            var text = new StringBuilder();
            for (var part = random.Next(6); part >= 0; part--)
            {
                var fragment = Nasty[random.Next(Nasty.Length)];
                text.Append(fragment.AsSpan(0, random.Next(fragment.Length + 1))).Append(random.Next(2) == 0 ? " " : "");
            }
            texts.Add(text.ToString());
        }
        Compare(Model(texts[..150], labelCount: 3), texts);
        Compare(Model(texts[..150], labelCount: 2, multiLabel: true, longestRun: 5), texts);
        Compare(Model(texts[..150], labelCount: 4, longestRun: 2), texts);
    }

    [Fact]
    public void Texts_beyond_the_length_that_is_read_are_cut_alike()
    {
        string[] texts =
        [
            new string('a', TextAlphabet.MaxLength - 4), new string('a', TextAlphabet.MaxLength - 3), new string('a', TextAlphabet.MaxLength + 50),
            string.Concat(Enumerable.Repeat("word and ", TextAlphabet.MaxLength / 8)), "a word",
        ];
        Compare(Model(texts, labelCount: 3), texts);
    }

    [Fact]
    public void A_model_that_knows_nothing_of_a_text_answers_from_its_bias() =>
        Compare(Model(["alpha beta", "gamma delta"], labelCount: 2), ["\u4F60\u597D", "12345", ""]);

    private static void Compare(TextModel model, IReadOnlyList<string> texts)
    {
        var expected = model.Predict(texts, CancellationToken.None);
        using var session = OnnxSession.Load(TextGraph.Export(model));
        var together = Run(session, texts);
        for (var row = 0; row < texts.Count; row++)
        {
            var alone = Run(session, [texts[row]])[0];
            for (var label = 0; label < model.Labels.Count; label++)
            {
                Assert.Equal(alone.Probabilities[label], together[row].Probabilities[label], 1e-6f);
                Assert.True(
                    Math.Abs(expected[row][label] - alone.Probabilities[label]) < 1e-4,
                    $"Text {row} '{texts[row]}': {expected[row][label]} and {alone.Probabilities[label]}.");
            }
            if (model.Thresholds is { } thresholds)
            {
                for (var label = 0; label < thresholds.Length; label++)
                    Assert.Equal(alone.Probabilities[label] >= thresholds[label], alone.Selected![label]);
                continue;
            }
            var best = Array.IndexOf(expected[row], expected[row].Max());
            Assert.Equal(model.Labels[best], alone.Label);
            Assert.Equal(model.Labels[best], together[row].Label);
        }
    }

    private static (string? Label, bool[]? Selected, float[] Probabilities)[] Run(OnnxSession session, IReadOnlyList<string> texts)
    {
        using var input = OnnxTensor.FromStrings(texts, texts.Count);
        var outputs = session.Run(input);
        var result = new (string? Label, bool[]? Selected, float[] Probabilities)[texts.Count];
        var probabilities = outputs[session.IndexOfOutput("probabilities")].Span<float>();
        var labels = session.IndexOfOutput("label") is >= 0 and var at ? outputs[at].ToStrings() : null;
        var selected = session.IndexOfOutput("selected") is >= 0 and var position ? outputs[position].Span<bool>() : default;
        var width = probabilities.Length / texts.Count;
        for (var i = 0; i < result.Length; i++)
        {
            var chosen = selected.IsEmpty ? null : selected.Slice(i * width, width).ToArray();
            result[i] = (labels?[i], chosen, probabilities.Slice(i * width, width).ToArray());
        }
        foreach (var tensor in outputs) tensor.Dispose();
        return result;
    }

    /// <summary>A model with random weights, so that a single feature more or less shows in the answer.</summary>
    private static TextModel Model(IReadOnlyList<string> texts, int labelCount, bool multiLabel = false, int longestRun = 4)
    {
        var random = new Random(99);
        var vocabulary = NgramVocabulary.Learn(texts, new NgramOptions { LongestRun = longestRun }, CancellationToken.None);
        var featureWeights = new float[vocabulary.FeatureCount];
        for (var i = 1; i < featureWeights.Length; i++) featureWeights[i] = i == vocabulary.StartFeature ? 0 : 0.5f + random.NextSingle();
        var weights = new LinearWeights(vocabulary.FeatureCount, labelCount);
        for (var i = weights.Stride; i < weights.Values.Length; i++) weights.Values[i] = 4 * random.NextSingle() - 2;
        for (var i = 0; i < labelCount; i++) weights.Bias[i] = random.NextSingle() - 0.5f;
        var thresholds = multiLabel ? Enumerable.Repeat(0.5f, labelCount).ToArray() : null;
        return new TextModel(vocabulary, featureWeights, weights, [.. Enumerable.Range(0, labelCount).Select(i => $"label {i}")], thresholds);
    }
}
