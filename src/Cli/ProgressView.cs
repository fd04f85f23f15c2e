using System.Collections.Concurrent;
using System.Diagnostics;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Atoll.Cli;

/// <summary>Bars for what takes long: live on a terminal, now and then a plain line elsewhere. Always on standard error.</summary>
internal sealed class ProgressView
{
    private readonly ProgressContext? _live;
    private readonly TextWriter _plain;
    private readonly int _headingWidth;
    private readonly string _indent;
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<int, string> _notes;

    private ProgressView(ProgressContext? live, ConcurrentDictionary<int, string> notes, TextWriter plain, int headingWidth, string indent)
    {
        _live = live;
        _notes = notes;
        _plain = plain;
        _headingWidth = headingWidth;
        _indent = indent;
    }

    /// <summary>Runs work that reports to the view.</summary>
    /// <param name="console">Where bars go.</param>
    /// <param name="headingWidth">Width that keeps the bars of a group aligned.</param>
    /// <param name="work">What takes long.</param>
    /// <param name="indent">What each line begins with.</param>
    public static async Task<T> RunAsync<T>(IAnsiConsole console, int headingWidth, Func<ProgressView, Task<T>> work, string indent = "")
    {
        headingWidth += indent.Length;
        if (!console.Profile.Capabilities.Interactive) return await work(new ProgressView(null, [], console.Profile.Out.Writer, headingWidth, indent));
        var notes = new ConcurrentDictionary<int, string>();
        var bar = Math.Clamp(console.Profile.Width - headingWidth - 46, 10, 30);
        return await console.Progress().AutoClear(false).HideCompleted(false)
            .Columns(new HeadingColumn(headingWidth, indent), new ProgressBarColumn { Width = bar }, new NoteColumn(notes, Math.Max(12, console.Profile.Width - headingWidth - bar - 8)))
            .StartAsync(async context =>
            {
                var result = await work(new ProgressView(context, notes, console.Profile.Out.Writer, headingWidth, indent));
                context.Refresh();
                return result;
            });
    }

    /// <summary>A line with a bar.</summary>
    public Bar Add(string heading) => new(this, _indent + heading, _live?.AddTask(heading, autoStart: true, maxValue: 1));

    /// <summary>One thing in progress.</summary>
    public sealed class Bar(ProgressView view, string heading, ProgressTask? task)
    {
        private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(5);

        private string? _label;
        private long _told;

        /// <summary>Shows how far it is.</summary>
        /// <param name="fraction">0 to 1; null while that is unknown.</param>
        /// <param name="label">What is being done; a new one always gets a plain line.</param>
        /// <param name="detail">Numbers that change all the time.</param>
        public void Report(double? fraction, string label, string? detail = null)
        {
            var note = detail is null ? label : $"{label}  {detail}";
            if (task is not null)
            {
                task.IsIndeterminate = fraction is null;
                if (fraction is { } done) task.Value = Math.Clamp(done, 0, 1);
                // The bar alone says little without colour.
                view._notes[task.Id] = fraction is > 0 and < 1 and var part ? $"{part * 100:0} % {note}" : note;
                return;
            }
            lock (view._lock)
            {
                // A file or a build server's page is read afterwards: each new thing is told, and now and then how far it is.
                if (label == _label && Stopwatch.GetElapsedTime(_told) < PlainInterval) return;
                (_label, _told) = (label, Stopwatch.GetTimestamp());
                view._plain.WriteLine($"{heading.PadRight(view._headingWidth)}  {(fraction is { } known ? $"{Math.Clamp(known, 0, 1) * 100,3:0}%" : "    ")}  {note}");
            }
        }

        /// <summary>The end; the note stays.</summary>
        public void Finish(string note)
        {
            if (task is not null)
            {
                task.IsIndeterminate = false;
                task.Value = 1;
                view._notes[task.Id] = note;
                task.StopTask();
                return;
            }
            lock (view._lock) view._plain.WriteLine($"{heading.PadRight(view._headingWidth)}  100%  {note}");
        }
    }

    private sealed class HeadingColumn(int width, string indent) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(Grid.Shorten(indent + task.Description, width).PadRight(width));
    }

    private sealed class NoteColumn(ConcurrentDictionary<int, string> notes, int width) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            var note = Grid.Shorten(notes.GetValueOrDefault(task.Id, ""), width);
            // A fixed width keeps the bars still while the text changes.
            return new Text(note + new string(' ', width - Grid.Width(note)), new Style(decoration: task.IsFinished ? Decoration.None : Decoration.Dim));
        }
    }
}
