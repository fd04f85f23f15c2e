using System.Collections.Concurrent;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Atoll.Cli;

/// <summary>Bars for what takes long: live on a terminal, now and then a plain line elsewhere. Always on standard error.</summary>
internal sealed class ProgressView
{
    private readonly ProgressContext? _live;
    private readonly TextWriter _plain;
    private readonly int _headingWidth;
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<int, string> _notes;

    private ProgressView(ProgressContext? live, ConcurrentDictionary<int, string> notes, TextWriter plain, int headingWidth)
    {
        _live = live;
        _notes = notes;
        _plain = plain;
        _headingWidth = headingWidth;
    }

    /// <summary>Runs work that reports to the view.</summary>
    /// <param name="console">Where bars go.</param>
    /// <param name="headingWidth">Width that keeps the bars of a group aligned.</param>
    /// <param name="work">What takes long.</param>
    public static async Task<T> RunAsync<T>(IAnsiConsole console, int headingWidth, Func<ProgressView, Task<T>> work)
    {
        if (!console.Profile.Capabilities.Interactive) return await work(new ProgressView(null, [], console.Profile.Out.Writer, headingWidth));
        var notes = new ConcurrentDictionary<int, string>();
        var bar = Math.Clamp(console.Profile.Width - headingWidth - 46, 10, 30);
        return await console.Progress().AutoClear(false).HideCompleted(false)
            .Columns(new HeadingColumn(headingWidth), new ProgressBarColumn { Width = bar }, new NoteColumn(notes, Math.Max(12, console.Profile.Width - headingWidth - bar - 8)))
            .StartAsync(async context =>
            {
                var result = await work(new ProgressView(context, notes, console.Profile.Out.Writer, headingWidth));
                context.Refresh();
                return result;
            });
    }

    /// <summary>A line with a bar.</summary>
    public Bar Add(string heading) => new(this, heading, _live?.AddTask(heading, autoStart: true, maxValue: 1));

    /// <summary>One thing in progress.</summary>
    public sealed class Bar(ProgressView view, string heading, ProgressTask? task)
    {
        private int _tenths = -1;
        private string? _label;

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
                if (fraction is { } known) task.Value = Math.Clamp(known, 0, 1);
                view._notes[task.Id] = note;
                return;
            }
            lock (view._lock)
            {
                var tenths = fraction is { } known ? (int)(Math.Clamp(known, 0, 1) * 10) : -1;
                if (label == _label && tenths / 2 <= _tenths / 2) return;
                (_label, _tenths) = (label, tenths);
                view._plain.WriteLine($"{heading.PadRight(view._headingWidth)}  {(fraction is null ? "    " : $"{tenths * 10,3}%")}  {note}");
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

    private sealed class HeadingColumn(int width) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(Grid.Shorten(task.Description, width).PadRight(width));
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
